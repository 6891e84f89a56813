package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/anchorhold/anchorhold"
)

// uploadPart is the size of every part of an upload but the last.
const uploadPart = 4 << 20

// newUpload announces a file.
type newUpload struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Upload sends a file to the site, in parts, each of which is sent again where
// its answer was not heard; it gives the id by which a dataset takes it. What the
// site has of the file already, from an earlier try, is not sent again. name is
// the file's, with its extension. progress may be nil.
func (c *Client) Upload(ctx context.Context, name string, file io.ReadSeeker, progress func(done, size int64)) (string, error) {
	whole := sha256.New()
	size, err := io.Copy(whole, file)
	if err != nil {
		return "", unreadable(name, err)
	}
	u, err := send[anchorhold.Upload](ctx, c, http.MethodPost, "/uploads",
		newUpload{name, size, "sha256:" + hex.EncodeToString(whole.Sum(nil))})
	if err != nil {
		return "", err
	}
	if _, err := file.Seek(u.Received, io.SeekStart); err != nil {
		return "", unreadable(name, err)
	}
	part := make([]byte, uploadPart)
	for at := u.Received; at < size; {
		n, err := io.ReadFull(file, part)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return "", unreadable(name, err)
		}
		act := call{
			method: http.MethodPut, path: "/uploads/" + segment(u.ID) + "/parts/" + strconv.FormatInt(at, 10),
			body: part[:n], media: "application/octet-stream", accept: "application/json",
		}
		if u, err = decode[anchorhold.Upload](c.do(ctx, act)); err != nil {
			return "", err
		}
		if at += int64(n); progress != nil {
			progress(at, size)
		}
	}
	return u.ID, nil
}

func unreadable(name string, err error) error {
	return anchorhold.Errorf(anchorhold.Invalid, "check that it can be read", "the file %s cannot be read", name).Because(err)
}

// ShowUpload says how much of a file has arrived.
func (c *Client) ShowUpload(ctx context.Context, id string) (anchorhold.Upload, error) {
	return get[anchorhold.Upload](ctx, c, "/uploads/"+segment(id), nil)
}

// DropUpload forgets a file that was being sent.
func (c *Client) DropUpload(ctx context.Context, id string) error {
	return c.remove(ctx, "/uploads/"+segment(id))
}
