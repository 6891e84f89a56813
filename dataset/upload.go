package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/failpoint"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Limits of uploads.
const (
	UploadPart = 4 << 20 // bytes of every part but the last
	// MaxUpload bounds one file, maxWaiting all that wait to become an asset.
	MaxUpload  = 64 << 30
	maxWaiting = 128 << 30
	maxUploads = 100
	// uploadLife is how long one that nobody continues is kept.
	uploadLife = 24 * time.Hour
	partHeader = 64
)

// NewUpload announces a file.
type NewUpload struct {
	Name   string `json:"name" minLength:"1" maxLength:"255" doc:"of the file, with its extension"`
	Size   int64  `json:"size" minimum:"1"`
	SHA256 string `json:"sha256" doc:"of the whole file: sha256: and 64 hexadecimal digits"`
}

// Begin announces a file that will be sent in parts. The same file, announced again
// by whoever began to send it, is the same upload: it goes on where it was
// interrupted, whatever became of the program that sent it. What nobody continued
// for a day is forgotten.
func (s *Service) Begin(ctx context.Context, p policy.Permit, n NewUpload) (anchorhold.Upload, error) {
	if strings.ContainsAny(n.Name, "/\\") || strings.ContainsFunc(n.Name, unicode.IsControl) || !utf8.ValidString(n.Name) || strings.HasPrefix(n.Name, ".") {
		return anchorhold.Upload{}, anchorhold.Errorf(anchorhold.Invalid, "give the name alone, such as patients.parquet", "the file has a name that cannot be used")
	}
	if !digest.IsSHA256(n.SHA256) {
		return anchorhold.Upload{}, anchorhold.Errorf(anchorhold.Invalid, "give it as sha256: and 64 hexadecimal digits", "the file's digest has the wrong form")
	}
	if n.Size > MaxUpload {
		return anchorhold.Upload{}, anchorhold.Errorf(anchorhold.TooLarge, "register it by its path on the site's machine", "the file is larger than %d GiB", MaxUpload>>30)
	}
	if u, found, err := s.begun(ctx, p.Principal().ID, n); found || err != nil {
		return u, err
	}
	now := s.Books.Now()
	u := anchorhold.Upload{
		ID: anchorhold.NewID(anchorhold.PrefixUpload), Principal: p.Principal().ID, Name: n.Name, Size: n.Size, SHA256: n.SHA256,
		Created: now, Touched: now,
	}
	var forgotten []anchorhold.Upload
	u, err := books.On(ctx, s.Books, p, uploads(), func(tx store.Tx) (anchorhold.Upload, books.Record, error) {
		all, err := tx.Uploads()
		if err != nil {
			return u, books.Record{}, err
		}
		waiting, count := n.Size, 1
		for _, other := range all {
			if now.Sub(other.Touched) > uploadLife {
				forgotten = append(forgotten, other)
				if err := tx.DeleteUpload(other.ID, now); err != nil {
					return u, books.Record{}, err
				}
				continue
			}
			waiting += other.Size
			count++
		}
		if waiting > maxWaiting || count > maxUploads {
			return u, books.Record{}, anchorhold.Errorf(anchorhold.TooLarge, "finish or remove the others first, or wait a day", "too much is being sent to this site already")
		}
		return u, books.Record{Subject: u.ID, Details: map[string]string{"size": fmt.Sprint(n.Size)}}, tx.PutUpload(u)
	})
	s.removeParts(forgotten...)
	return u, err
}

// uploads is the kind of what is being sent.
func uploads() books.Kind[anchorhold.Upload] {
	return books.Kind[anchorhold.Upload]{Name: func(u anchorhold.Upload) string { return u.ID }, Find: store.Tx.Upload}
}

// begun finds the upload by which somebody already sends a file, and keeps it from
// being forgotten.
func (s *Service) begun(ctx context.Context, who string, n NewUpload) (u anchorhold.Upload, found bool, err error) {
	if err := s.Books.MayWrite(ctx); err != nil {
		return u, false, err
	}
	err = s.Books.Store.Update(ctx, func(tx store.Tx) error {
		all, err := tx.Uploads()
		if err != nil {
			return err
		}
		for _, other := range all {
			if other.Principal == who && other.SHA256 == n.SHA256 && other.Size == n.Size && other.Name == n.Name {
				u, found = other, true
				u.Touched = s.Books.Now()
				return tx.PutUpload(u)
			}
		}
		return nil
	})
	return u, found && err == nil, err
}

// Upload finds an upload of the permit's principal: of anybody else's there is
// none.
func (s *Service) Upload(ctx context.Context, who, id string) (u anchorhold.Upload, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		u, err = upload(tx, who, id)
		return err
	})
	return u, err
}

func upload(tx store.Tx, who, id string) (anchorhold.Upload, error) {
	u, err := tx.Upload(id)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Principal != who {
		return anchorhold.Upload{}, anchorhold.Errorf(anchorhold.NotFound, "begin it anew", "there is no such upload of yours")
	}
	return u, err
}

// Append takes the next part of a file: UploadPart bytes from offset on, or what
// is left. A part that was taken before is taken as done, so that who did not
// hear the answer can send it again. It is durable when Append returns; nobody
// sees anything of it until a dataset takes the whole, which is when the act is
// recorded.
func (s *Service) Append(ctx context.Context, p policy.Permit, id string, offset int64, data []byte) (anchorhold.Upload, error) {
	if err := s.Books.MayWrite(ctx); err != nil {
		return anchorhold.Upload{}, err
	}
	u, err := s.Upload(ctx, p.Principal().ID, id)
	if err != nil {
		return u, err
	}
	end := offset + int64(len(data))
	switch {
	case offset < 0 || offset%UploadPart != 0 || end > u.Size || len(data) != UploadPart && end != u.Size || len(data) == 0:
		return u, anchorhold.Errorf(anchorhold.Invalid, fmt.Sprintf("send parts of %d bytes, the last one shorter", UploadPart), "the part does not fit into the file")
	case end <= u.Received:
		return u, nil
	case offset != u.Received:
		return u, anchorhold.Errorf(anchorhold.Conflict, fmt.Sprintf("go on at byte %d", u.Received), "a part before this one is missing")
	}
	// The header makes each part's name its own: removing it removes nothing else.
	head := make([]byte, partHeader)
	copy(head, fmt.Sprintf("%s %d", id, offset))
	info, err := s.Blobs.Put(io.MultiReader(bytes.NewReader(head), bytes.NewReader(data)), partHeader+UploadPart)
	if err != nil {
		return u, err
	}
	failpoint.Hit("upload/part")
	err = s.Books.Store.Update(ctx, func(tx store.Tx) error {
		now, err := upload(tx, p.Principal().ID, id)
		if err != nil {
			return err
		}
		if now.Received == offset { // otherwise somebody sent it at the same time
			now.Received, now.Parts, now.Touched = end, append(now.Parts, info.ID), s.Books.Now()
			err = tx.PutUpload(now)
		}
		u = now
		return err
	})
	return u, err
}

// Drop removes an upload.
func (s *Service) Drop(ctx context.Context, p policy.Permit, id string) error {
	var dropped anchorhold.Upload
	_, err := books.Act(ctx, s.Books, p, func(tx store.Tx) (struct{}, books.Record, error) {
		var err error
		if dropped, err = upload(tx, p.Principal().ID, id); err != nil {
			return struct{}{}, books.Record{}, err
		}
		return struct{}{}, books.Record{Subject: id}, tx.DeleteUpload(id, s.Books.Now())
	})
	if err == nil {
		s.removeParts(dropped)
	}
	return err
}

// removeParts removes what uploads left behind: soon, since a part that stays
// was given up with its upload and is removed by the next sweep.
func (s *Service) removeParts(all ...anchorhold.Upload) {
	for _, u := range all {
		for _, part := range u.Parts {
			_ = s.Blobs.Remove(part)
		}
	}
}

// keep puts a whole upload into one blob, after comparing its digest.
func (s *Service) keep(ctx context.Context, who, id string) (u anchorhold.Upload, blobID string, err error) {
	if u, err = s.Upload(ctx, who, id); err != nil {
		return u, "", err
	}
	if u.Received != u.Size {
		return u, "", anchorhold.Errorf(anchorhold.Conflict, fmt.Sprintf("send the rest, from byte %d on", u.Received), "the file %s has not arrived whole", u.Name)
	}
	r := &partsReader{s: s, ctx: ctx, parts: u.Parts}
	defer r.close()
	info, err := s.Blobs.Put(r, u.Size)
	if err != nil {
		return u, "", err
	}
	if "sha256:"+info.SHA256 != u.SHA256 || info.Size != u.Size {
		// Kept, it would be gone on with when the file is announced again.
		if err := s.Books.Store.Update(ctx, func(tx store.Tx) error { return tx.DeleteUpload(id, s.Books.Now()) }); err != nil {
			return u, "", err
		}
		s.removeParts(u)
		return u, "", anchorhold.Errorf(anchorhold.Conflict, "send it again, while nobody writes to it", "what arrived of %s is not the file that was announced", u.Name)
	}
	return u, info.ID, nil
}

// partsReader reads parts one after the other.
type partsReader struct {
	s     *Service
	ctx   context.Context //nolint:containedctx // a reader has no other way to be told to stop
	parts []string
	in    io.ReadCloser
}

// Read implements io.Reader.
func (r *partsReader) Read(p []byte) (int, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		if r.in == nil {
			if len(r.parts) == 0 {
				return 0, io.EOF
			}
			b, err := r.s.Blobs.Open(r.parts[0])
			if err != nil {
				return 0, err
			}
			r.in, r.parts = b, r.parts[1:]
			if _, err := io.CopyN(io.Discard, b, partHeader); err != nil {
				return 0, err
			}
		}
		n, err := r.in.Read(p)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		r.close()
		if n > 0 {
			return n, nil
		}
	}
}

func (r *partsReader) close() {
	if r.in != nil {
		_ = r.in.Close() // opened for reading only
		r.in = nil
	}
}
