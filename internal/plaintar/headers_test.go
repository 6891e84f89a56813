package plaintar_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold/internal/plaintar"
)

// oddOf gives what is odd of the last entry of an archive's beginning, whose
// headers are its last blocks.
func oddOf(raw []byte) (*tar.Header, string, error) {
	in := bytes.NewReader(raw)
	h, err := tar.NewReader(in).Next()
	if err != nil {
		return nil, "", err
	}
	at, err := in.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, "", err
	}
	if h.Typeflag == tar.TypeDir {
		h.Typeflag = tar.TypeReg
	}
	return h, plaintar.OddHeaders(h, raw[:at]), nil
}

// headersOf has an archive written of one empty file.
func headersOf(t *testing.T, h tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// set writes into an archive.
func set(raw []byte, at int, text string) []byte {
	out := bytes.Clone(raw)
	copy(out[at:], text)
	return out
}

// put writes into one of the blocks, and makes its sum right.
func put(raw []byte, number, at int, text string) []byte {
	out := set(raw, number*512+at, text)
	b := out[number*512 : number*512+512]
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return out
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestOddHeaders(t *testing.T) {
	long := strings.Repeat("long/", 40) + "é.txt"
	short := headersOf(t, tar.Header{Name: "a.txt", Format: tar.FormatGNU})
	ustar := headersOf(t, tar.Header{Name: "a.txt", Format: tar.FormatUSTAR})
	gnu := headersOf(t, tar.Header{Name: long, Format: tar.FormatGNU})
	pax := headersOf(t, tar.Header{Name: long, Format: tar.FormatPAX})
	link := headersOf(t, tar.Header{Name: "a.txt", Typeflag: tar.TypeSymlink, Linkname: "b", Format: tar.FormatGNU})
	record := "9 gid=12\n17 mtime=1234567\n9 gid=34\n"
	twice := put(join(pax[:1024], short), 0, 124, fmt.Sprintf("%011o\x00", len(record)))
	copy(twice[512:1024], append([]byte(record), make([]byte, 512-len(record))...))
	for name, c := range map[string]struct {
		raw []byte
		odd bool
	}{
		"GNU":                               {short, false},
		"ustar":                             {ustar, false},
		"a long name of GNU":                {gnu, false},
		"a long name of pax":                {pax, false},
		"a folder":                          {headersOf(t, tar.Header{Name: "d/", Typeflag: tar.TypeDir, Format: tar.FormatGNU}), false},
		"a great number of GNU":             {headersOf(t, tar.Header{Name: "a", Uid: 1 << 40, Format: tar.FormatGNU}), false},
		"behind a name":                     {put(short, 0, 50, "hidden"), true},
		"behind a mode":                     {put(short, 0, 100, "644\x00hid\x00"), true},
		"behind an owner's name":            {put(short, 0, 280, "hidden"), true},
		"in a link that is none":            {put(short, 0, 157, "\x00hidden"), true},
		"in the times of GNU":               {put(short, 0, 345, "00000000001\x00"), true},
		"in the offset of GNU":              {put(short, 0, 369, "00000000001\x00"), true},
		"in the map of GNU":                 {put(short, 0, 386, "00000000001\x00"), true},
		"in the end of GNU":                 {put(short, 0, 500, "hidden"), true},
		"in the end of ustar":               {put(ustar, 0, 503, "hidden"), true},
		"behind a prefix":                   {put(ustar, 0, 346, "\x00hidden"), true},
		"behind a long name":                {set(gnu, 512+400, "hidden"), true},
		"in the header of a long name":      {put(gnu, 0, 400, "hidden"), true},
		"as the header of a long name":      {put(gnu, 0, 0, "hidden"), true},
		"in place of a long name":           {put(gnu, 2, 0, "hidden"), true},
		"in place of a name of pax":         {put(pax, len(pax)/512-1, 0, "hidden"), true},
		"in the name of an extended header": {put(pax, 0, 0, "hidden"), true},
		"behind records":                    {set(pax, 512+500, "hidden"), true},
		"a record that is replaced":         {twice, true},
		"a long name that is replaced":      {join(gnu[:1024], gnu), true},
		"records that are replaced":         {join(pax[:1024], pax), true},
		"a long name beside records":        {join(gnu[:1024], pax), true},
		"a link":                            {link, true},
		"an incremental list":               {put(short, 0, 156, "D"), true},
		"another volume":                    {put(short, 0, 156, "M"), true},
		"a volume's name":                   {put(short, 0, 156, "V"), true},
		"a sparse file":                     {put(short, 0, 156, "S"), true},
		"the format of old":                 {put(short, 0, 257, "\x00\x00\x00\x00\x00\x00\x00\x00"), true},
		"a device":                          {put(short, 0, 329, "0000001\x00"), true},
	} {
		_, odd, err := oddOf(c.raw)
		refused := name == "another volume" || name == "a volume's name" // by archive/tar itself
		if refused && err != nil {
			continue
		}
		if err != nil || (odd != "") != c.odd {
			t.Errorf("%s: %q, %v", name, odd, err)
		}
	}
}

// What the program tar writes passes in each of its formats, and what it writes of
// sparse files, links and increments does not.
func TestTheProgramTar(t *testing.T) {
	program, err := exec.LookPath("tar")
	if err != nil {
		t.Fatal("put tar on the path: ", err)
	}
	dir := t.TempDir()
	long := strings.Repeat("w", 120) + "/" + strings.Repeat("é", 70) + ".txt"
	for _, name := range []string{"plain/a.txt", "plain/" + long, "links/a.txt", "sparse/none"} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.txt", filepath.Join(dir, "links/b.txt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "sparse/none"), 16<<20); err != nil {
		t.Fatal(err)
	}
	for args, odd := range map[string]bool{
		"-C plain .":                                       false,
		"--format=gnu -C plain .":                          false,
		"--format=pax -C plain .":                          false,
		"--format=gnu --owner=é:4000000000 -C plain .":     false,
		"--format=gnu --mtime=@99999999999 -C plain .":     false,
		"--format=v7 -C plain a.txt":                       true,
		"-C links .":                                       true,
		"--sparse -C sparse .":                             true,
		"--sparse --format=pax -C sparse .":                true,
		"--listed-incremental=increments -C plain .":       true,
		"--label=hidden -C plain .":                        true,
		"--format=pax --pax-option=comment=hid -C plain .": true,
	} {
		cmd := exec.Command(program, append([]string{"-cf", "-"}, strings.Fields(args)...)...)
		cmd.Dir = dir
		archive, err := cmd.Output()
		if err != nil {
			t.Errorf("tar %s: %v", args, err)
			continue
		}
		found, entries := oddIn(t, archive)
		if found != odd || entries == 0 {
			t.Errorf("tar %s: odd %v of %d", args, found, entries)
		}
	}
}

// oddIn says whether an archive has an odd entry.
func oddIn(t *testing.T, archive []byte) (odd bool, entries int) {
	t.Helper()
	in := bytes.NewReader(archive)
	for r, end := tar.NewReader(in), int64(0); ; entries++ {
		h, err := r.Next()
		if err == io.EOF { //nolint:errorlint // as the reader gives it
			return odd, entries
		}
		if err != nil {
			t.Fatal(err)
		}
		at, err := in.Seek(0, io.SeekCurrent)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			h.Typeflag = tar.TypeReg
		}
		odd = odd || plaintar.OddHeaders(h, archive[end:at]) != ""
		end = at + (h.Size+511)&^511
	}
}
