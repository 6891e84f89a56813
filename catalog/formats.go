package catalog

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/catalog/codec/geojson"
)

// formats are the codecs of this site, each of which gets a line here. The
// first whose extension or beginning fits a file is the file's.
func formats() []codec.Codec {
	return []codec.Codec{
		codec.CSV{},
		codec.Parquet{},
		codec.Arrow{},
		codec.ArrowStream{},
		codec.JSONLines{},
		geojson.GeoJSON{},
		codec.NPY{},
		codec.NPZ{},
		codec.Safetensors{},
		codec.Tar{},
		codec.Folder{},
	}
}

// FormatNamed finds a codec by the name of its format.
func FormatNamed(name string) (codec.Codec, bool) {
	for _, c := range formats() {
		if c.Format().Name == name {
			return c, true
		}
	}
	return nil, false
}

// FormatOfName gives the name of the format that a file's extension stands for;
// empty where it stands for none.
func FormatOfName(path string) string {
	ext := strings.ToLower(filepath.Ext(path))
	for _, c := range formats() {
		if slices.Contains(c.Format().Extensions, ext) {
			return c.Format().Name
		}
	}
	return ""
}

// chooseFormat decides by what was asked, by the extension, and by the
// beginning of the file, and refuses a file that is plainly of another format.
func chooseFormat(head []byte, name, asked string) (codec.Codec, error) {
	found := sniffed(head)
	wanted := asked
	if wanted == "" {
		wanted = FormatOfName(name)
	}
	if wanted == "" && found != nil {
		wanted = found.Format().Name
	}
	if wanted == "" {
		wanted = FormatCSV
	}
	c, ok := FormatNamed(wanted)
	if !ok {
		return nil, invalid("use "+strings.Join(formatNames(), ", "), "%q is not a format of tables", clip(wanted, 40))
	}
	f := c.Format()
	switch {
	case f.Sniff != nil && !f.Sniff(head):
		return nil, invalid("check how it was written, or give it the extension of its own format", "%s is not %s", name, f.Title)
	case f.Sniff == nil && found != nil:
		other := found.Format()
		return nil, invalid("give it the extension "+other.Extensions[0], "%s is %s, not %s", name, other.Title, f.Title)
	case f.Sniff == nil && packed(head):
		return nil, invalid("unpack it, or save the worksheet as CSV (UTF-8), and name that file", "%s is compressed or an Excel workbook, not %s", name, f.Title)
	}
	return c, nil
}

func sniffed(head []byte) codec.Codec {
	for _, c := range formats() {
		if f := c.Format(); f.Sniff != nil && f.Sniff(head) {
			return c
		}
	}
	return nil
}

func packed(head []byte) bool {
	return len(head) >= 4 && string(head[:4]) == "PK\x03\x04" || len(head) >= 2 && head[0] == 0x1f && head[1] == 0x8b
}

func formatNames() []string {
	var out []string
	for _, c := range formats() {
		out = append(out, c.Format().Name)
	}
	slices.Sort(out)
	return out
}
