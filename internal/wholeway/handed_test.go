package wholeway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/disclosure"
	"github.com/anchorhold/anchorhold/receipt"
)

// away is an owner on another machine, as it were.
func (s *site) away() *client.Client {
	s.t.Helper()
	return s.person("olga@example.org", anchorhold.RoleOwner)
}

// handIn sends a file and offers it as a dataset.
func (s *site) handIn(c *client.Client, dataset, name string, data []byte) error {
	s.t.Helper()
	id, err := c.Upload(context.Background(), name, bytes.NewReader(data), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = c.AddDataset(context.Background(), client.NewDataset{Name: dataset, Assets: []client.NewAsset{{Name: "patients", Upload: id}}})
	return err
}

// most is the most memory that the site's process has taken, in bytes.
func (s *site) most() int64 {
	s.t.Helper()
	s.mu.Lock()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	s.mu.Unlock()
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n << 10
}

// wideBomb is a small Parquet file of one row, whose columns hold 60 MiB each.
func wideBomb(t *testing.T, columns int) []byte {
	t.Helper()
	text := array.NewStringBuilder(memory.DefaultAllocator)
	text.Append(strings.Repeat("0", 60<<20))
	one := text.NewArray()
	defer one.Release()
	fields, cells := make([]arrow.Field, columns), make([]arrow.Array, columns)
	for i := range fields {
		fields[i], cells[i] = arrow.Field{Name: fmt.Sprint("c", i), Type: arrow.BinaryTypes.String}, one
	}
	schema := arrow.NewSchema(fields, nil)
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &out, parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Snappy), parquet.WithDictionaryDefault(false), parquet.WithStats(false),
	), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	record := array.NewRecordBatch(schema, cells, 1)
	defer record.Release()
	if err := w.Write(record); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Files that would have their decoder take all memory are refused with a
// sentence; the site goes on, and has taken no more memory itself.
func TestBombsAreHandedIn(t *testing.T) {
	s := newSite(t, heart(50))
	who := s.away()
	// A list of half a billion parts, in the footer.
	claim := []byte("PAR1\x15\x02\x19\xfc\xff\xff\xff\xff\x01\x00")
	claim = append(claim, 10, 0, 0, 0, 'P', 'A', 'R', '1')
	deep := []byte(strings.Repeat("[", 1<<20))
	for name, data := range map[string][]byte{
		"claim.parquet": claim, "wide.parquet": wideBomb(t, 40), "deep.jsonl": deep, "broken.npz": []byte("PK\x03\x04" + strings.Repeat("x.npy", 20)),
	} {
		err := s.handIn(who, "bomb", name, data)
		kind := anchorhold.KindOf(err)
		if kind != anchorhold.Invalid && kind != anchorhold.TooLarge || !strings.Contains(err.Error(), name) {
			t.Errorf("%s of %d KiB: %v", name, len(data)>>10, err)
		}
	}
	if n := s.most(); n > 400<<20 {
		t.Errorf("the site took %d MiB", n>>20)
	}
	if err := s.handIn(who, "good", "good.csv", []byte(heart(50))); err != nil {
		t.Error(err)
	}
	if s.died() != 0 {
		t.Errorf("the site died %d times\n%s", s.died(), s.errs.String())
	}
}

// What was copied in, and a folder that lies at the site, are asked and answered
// like a table that lies there; the receipt names the version.
func TestHandedInAndAnswered(t *testing.T) {
	s := newSite(t, heart(50))
	who := s.researcher()
	if err := s.handIn(s.away(), "copied", "patients.csv", []byte(heart(200))); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(filepath.Dir(s.file), "letters")
	for i := range 30 {
		path := filepath.Join(folder, fmt.Sprint("ward-", i%3), fmt.Sprintf("%02d.txt", i))
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil {
			err = os.WriteFile(path, []byte(strings.Repeat("fever and cough since monday\n", 1+i%4)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	if _, err := s.owner().AddDataset(ctx, client.NewDataset{Name: "letters", Assets: []client.NewAsset{{Name: "patients", Path: folder}}}); err != nil {
		t.Fatal(err)
	}
	shapes, err := os.ReadFile("../../catalog/codec/geojson/testdata/sites.geojson")
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "..", "sites.geojson"), shapes, 0o600)
	}
	if err == nil {
		_, err = s.owner().AddDataset(ctx, client.NewDataset{Name: "sites", Assets: []client.NewAsset{{
			Name: "patients", Path: filepath.Join(filepath.Dir(folder), "sites.geojson"), Mock: &client.NewMock{Generate: &client.Generate{Rows: 9}},
		}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	wards := code(`return int(patients["geometry"].map(lambda g: g is not None and "Point" in str(g)).sum())`)
	files := code(`return sum(f.read_text().count("fever") for f in patients.values())`)
	files.Code.Parameters[0].Type = "files"
	for name, c := range map[string]struct {
		ask  client.NewRequest
		want string
	}{
		"copied": {code(`return int(patients["num"].count())`), "200"}, "letters": {files, "73"}, "sites": {wards, "2"},
	} {
		c.ask.Assets["patients"] = client.AssetName{Dataset: name, Asset: "patients"}
		r := s.followed(who, c.ask, client.NewDecision{Verdict: anchorhold.Approve})
		if r.State != anchorhold.StateHeld {
			log, _ := s.owner().RunLog(ctx, r.ID)
			t.Fatalf("%s: the request is %s: %+v\n%s", name, r.State, r.Runs, log.Text)
		}
		s.released(r.ID)
		st := s.receiptOf(who, r.ID)
		out, err := who.Output(ctx, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(out)
		if err := errors.Join(err, out.Close()); err != nil || string(answer) != c.want {
			t.Errorf("%s: %s, %v, want %s", name, answer, err, c.want)
		}
		if err := receipt.VerifyOutput(st, bytes.NewReader(answer)); err != nil {
			t.Errorf("%s: what left is not what the receipt names: %v", name, err)
		}
		d, err := s.owner().Dataset(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		asset, _ := d.Asset("patients")
		if used := st.Predicate.Assets; len(used) != 1 || used[0].Version != asset.Version.ID || used[0].Commitment != asset.Version.Commitment {
			t.Errorf("%s: the receipt names %+v, the version is %s with %s", name, used, asset.Version.ID, asset.Version.Commitment)
		}
	}
}

// Features that code gives back whole are known, like rows of any table.
func TestFeaturesDoNotLeave(t *testing.T) {
	s := newSite(t, heart(50))
	var all []string
	for i := range 200 {
		all = append(all, fmt.Sprintf(`{"type":"Feature","properties":{"beds":%d},"geometry":{"type":"Point","coordinates":[%d.50,%d.250e0]}}`,
			10+i*7%61, i%90, i/2%45))
	}
	path := filepath.Join(filepath.Dir(s.file), "clinics.geojson")
	if err := os.WriteFile(path, []byte(`{"type":"FeatureCollection","features":[`+strings.Join(all, ",")+`]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.owner().AddDataset(context.Background(), client.NewDataset{Name: "clinics", Assets: []client.NewAsset{{Name: "patients", Path: path}}}); err != nil {
		t.Fatal(err)
	}
	ask := code(`return patients.head(3)`)
	ask.Assets["patients"] = client.AssetName{Dataset: "clinics", Asset: "patients"}
	r := s.followed(s.researcher(), ask, client.NewDecision{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{AutoRelease: true}})
	if r.State != anchorhold.StateHeld {
		t.Fatalf("three features are %s: %+v", r.State, r.Runs)
	}
	seen, err := s.owner().Request(context.Background(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range seen.Runs[0].Outputs[0].Checks {
		if c.Name == disclosure.CheckPrivateRows && c.Result != anchorhold.CheckFailed {
			t.Errorf("three features and their table: %+v", c)
		}
	}
}
