package codec

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/internal/plaintar/plaintartest"
)

// archiveOf writes a tar archive.
func archiveOf(t *testing.T, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(canary))
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(canary)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// changed gives bytes with one of them changed.
func changed(data []byte, at int) []byte {
	out := bytes.Clone(data)
	out[at] = 'x'
	return out
}

// zipOf writes an archive of arrays with a comment, behind other bytes.
func zipOf(t *testing.T, before, comment, member string) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(before)
	w := zip.NewWriter(&b)
	w.SetOffset(int64(len(before)))
	m, err := w.CreateHeader(&zip.FileHeader{Name: "a.npy", Comment: member})
	if err != nil {
		t.Fatal(err)
	}
	in := npyOf("{'descr': '|u1', 'fortran_order': False, 'shape': (), }")
	text := make([]byte, in.Size+1) // and one number
	if _, err = in.At.ReadAt(text[:in.Size], 0); err == nil {
		_, err = m.Write(text)
	}
	if err := errors.Join(err, w.SetComment(comment), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What no list of a file's parts shows would leave with a mock: nothing is passed
// over.
func TestNothingIsHidden(t *testing.T) {
	file := func(name string) *tar.Header { return &tar.Header{Name: name, Mode: 0o600} }
	plain := archiveOf(t, &tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o700}, file("d/a.txt"), file("./b.txt"))
	gnu := archiveOf(t, &tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o700, Format: tar.FormatGNU},
		&tar.Header{Name: "d/a.txt", Format: tar.FormatGNU}, &tar.Header{Name: "d/" + strings.Repeat("b", 200), Format: tar.FormatGNU})
	cases := map[string]struct {
		codec Codec
		data  []byte
		want  string
	}{
		"plain, of GNU":             {Tar{}, gnu, ""},
		"an empty folder":           {Tar{}, archiveOf(t, &tar.Header{Name: canary + "/", Typeflag: tar.TypeDir}, file("a.txt")), "folder without files"},
		"plain":                     {Tar{}, plain, ""},
		"a hidden file":             {Tar{}, archiveOf(t, file("a.txt"), file(".ssh/id")), "begin with a dot"},
		"a resource fork":           {Tar{}, archiveOf(t, file("a.txt"), file("d/._a.txt")), "begin with a dot"},
		"a link":                    {Tar{}, archiveOf(t, file("a.txt"), &tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: canary}), "is not a regular file"},
		"a hard link":               {Tar{}, archiveOf(t, file("a.txt"), &tar.Header{Name: "l", Typeflag: tar.TypeLink, Linkname: "a.txt"}), "is not a regular file"},
		"a device":                  {Tar{}, archiveOf(t, file("a.txt"), &tar.Header{Name: "l", Typeflag: tar.TypeChar}), "is not a regular file"},
		"a comment":                 {Tar{}, archiveOf(t, &tar.Header{Name: "a.txt", PAXRecords: map[string]string{"comment": canary}}), "extended header"},
		"a comment of a folder":     {Tar{}, archiveOf(t, file("a.txt"), &tar.Header{Name: "d/", Typeflag: tar.TypeDir, PAXRecords: map[string]string{"X.y": canary}}), "extended header"},
		"a comment of all":          {Tar{}, archiveOf(t, &tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": canary}}, file("a.txt")), "is not a regular file"},
		"something behind the end":  {Tar{}, append(bytes.Clone(plain), canary...), "behind its end"},
		"something behind a file":   {Tar{}, changed(plain, 3*512-1), "behind a file"},
		"plain tensors":             {Safetensors{}, bytesOf(t, tensorFile(`{"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1)), ""},
		"notes beside tensors":      {Safetensors{}, bytesOf(t, tensorFile(`{"__metadata__":{"who":"`+canary+`"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1)), "__metadata__"},
		"notes as a format":         {Safetensors{}, bytesOf(t, tensorFile(`{"__metadata__":{"format":"`+canary+`"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1)), "__metadata__"},
		"plain arrays":              {NPZ{}, zipOf(t, "", "", ""), ""},
		"a comment of an archive":   {NPZ{}, zipOf(t, "", canary, ""), "beside its arrays"},
		"a comment of an array":     {NPZ{}, zipOf(t, "", "", canary), "beside its arrays"},
		"something before an array": {NPZ{}, zipOf(t, strings.Repeat(canary, 30), "", ""), "beside its arrays"},
	}
	for form, data := range plaintartest.Sparse("a.txt", 1<<30) {
		cases["sparse, "+form] = struct {
			codec Codec
			data  []byte
			want  string
		}{Tar{}, append(data, make([]byte, 1024)...), ""}
	}
	for name, c := range cases {
		_, _, _, err := readAll(c.codec, input("in", c.data))
		if strings.HasPrefix(name, "plain") {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var e *anchorhold.Error
		if !errors.As(err, &e) || e.Remedy == "" || !strings.Contains(e.Message, c.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func bytesOf(t *testing.T, in Input) []byte {
	t.Helper()
	data := make([]byte, in.Size)
	if _, err := in.At.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	return data
}
