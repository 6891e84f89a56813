package api

import (
	"context"
	"net/http"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dataset"
	"github.com/anchorhold/anchorhold/policy"
)

// UploadID is the path parameter that names an upload.
type UploadID struct {
	ID string `path:"id" maxLength:"100"`
}

type newUpload struct{ Body dataset.NewUpload }

type uploadPart struct {
	UploadID
	Offset  int64 `path:"offset" minimum:"0"`
	RawBody []byte
}

// showUpload leaves out where the site keeps the parts.
func showUpload(u anchorhold.Upload) *body[anchorhold.Upload] {
	u.Parts = nil
	return &body[anchorhold.Upload]{u}
}

// uploadOperations are for owners who copy files in. Everybody sees their own
// uploads only.
func (a *API) uploadOperations() {
	add(a, op("begin-upload", http.MethodPost, "/uploads", "Announce a file that will be sent in parts"), policy.DatasetUpload, onSite,
		func(ctx context.Context, p policy.Permit, in *newUpload) (*body[anchorhold.Upload], error) {
			u, err := a.Datasets.Begin(ctx, p, in.Body)
			return showUpload(u), err
		})
	add(a, op("show-upload", http.MethodGet, "/uploads/{id}", "How much of a file has arrived"), policy.DatasetUpload, onSite,
		func(ctx context.Context, p policy.Permit, in *UploadID) (*body[anchorhold.Upload], error) {
			u, err := a.Datasets.Upload(ctx, p.Principal().ID, in.ID)
			return showUpload(u), err
		})
	add(a, op("send-part", http.MethodPut, "/uploads/{id}/parts/{offset}", "Send the next 4 MiB of a file, or what is left"), policy.DatasetUpload, onSite,
		func(ctx context.Context, p policy.Permit, in *uploadPart) (*body[anchorhold.Upload], error) {
			u, err := a.Datasets.Append(ctx, p, in.ID, in.Offset, in.RawBody)
			return showUpload(u), err
		})
	add(a, op("drop-upload", http.MethodDelete, "/uploads/{id}", "Forget a file that was being sent"), policy.DatasetUpload, onSite,
		func(ctx context.Context, p policy.Permit, in *UploadID) (*struct{}, error) {
			return nil, a.Datasets.Drop(ctx, p, in.ID)
		})
}
