package wholeway

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
)

// part is how much of an upload is sent at once.
const part = 4 << 20

// letters is a table that takes three parts to send.
func letters() []byte {
	var b bytes.Buffer
	b.WriteString("patient,text\n")
	for i := 0; b.Len() <= 2*part; i++ {
		fmt.Fprintf(&b, "%d,%s\n", i, strings.Repeat(fmt.Sprintf("day %d quiet; ", i), 80))
	}
	return b.Bytes()
}

// The site is killed at each step of an upload and of the act that takes it. The
// program that sends goes on by itself, and sends nothing twice but the part of
// which it heard nothing.
func TestKilledDuringAnUpload(t *testing.T) {
	for _, point := range []string{
		"dataset.upload/before-commit", "dataset.upload/after-commit",
		"upload/part", "upload/part:2", "upload/part:3", "blob.written:2", "blob.renamed:2",
		"dataset.add/before-commit", "dataset.add/after-commit",
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, heart(50), "ANCHORHOLD_FAILPOINT="+point)
			who, data := s.away(), letters()
			var sent []int64
			id, err := who.Upload(context.Background(), "letters.csv", bytes.NewReader(data), func(done, _ int64) { sent = append(sent, done) })
			if err != nil {
				t.Fatal(err)
			}
			if want := []int64{part, 2 * part, int64(len(data))}; !slices.Equal(sent, want) {
				t.Errorf("%v bytes were taken, want %v", sent, want)
			}
			s.taken(who, id)
		})
	}
}

// The program that sends ends with the site. The next one sends what was not
// accepted, and no byte of what was.
func TestAnUploadIsGoneOnWith(t *testing.T) {
	t.Parallel()
	s := newSite(t, heart(50), "ANCHORHOLD_FAILPOINT=upload/part:2")
	token, data := s.token("olga@example.org", anchorhold.RoleOwner), letters()
	var sent []int64
	progress := func(done, _ int64) { sent = append(sent, done) }
	hasty, err := client.New("http://"+s.addr, client.Options{Token: token, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hasty.Upload(context.Background(), "letters.csv", bytes.NewReader(data), progress); anchorhold.KindOf(err) != anchorhold.Unavailable {
		t.Fatalf("the site was killed: %v", err)
	}
	if want := []int64{part}; !slices.Equal(sent, want) {
		t.Fatalf("%v bytes were taken, want %v", sent, want)
	}
	sent = nil
	who, err := client.New("http://"+s.addr, patient(token))
	if err != nil {
		t.Fatal(err)
	}
	id, err := who.Upload(context.Background(), "letters.csv", bytes.NewReader(data), progress)
	if err != nil {
		t.Fatal(err)
	}
	if want := []int64{2 * part, int64(len(data))}; !slices.Equal(sent, want) {
		t.Errorf("%v bytes were taken the second time, want %v", sent, want)
	}
	s.taken(who, id)
}

// taken makes a dataset of what was sent, which the site does only when it is
// whole and the file that was announced, and makes sure that all of it happened
// once.
func (s *site) taken(who *client.Client, id string) {
	s.t.Helper()
	ctx := context.Background()
	if _, err := who.AddDataset(ctx, client.NewDataset{Name: "letters", Assets: []client.NewAsset{{Name: "patients", Upload: id}}}); err != nil {
		s.t.Fatal(err)
	}
	if s.died() != 1 {
		s.t.Errorf("the process died %d times, want once", s.died())
	}
	if _, err := who.ShowUpload(ctx, id); anchorhold.KindOf(err) != anchorhold.NotFound {
		s.t.Errorf("what became a dataset is still an upload: %v", err)
	}
	times := map[string]int{}
	for e, err := range s.owner().AuditEntries(ctx, 0) {
		if err != nil {
			s.t.Fatal(err)
		}
		times[e.Event.Action]++
	}
	// Of each dataset, newSite's own too, one entry is of its version.
	if times["dataset.upload"] != 1 || times["dataset.add"] != 2*2 {
		s.t.Errorf("the log says %v", times)
	}
	s.run("audit", "verify", "--dir", s.dir)
}
