package request

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Mark says that its principal has seen lines of a text of a request.
type Mark struct {
	Path   string `json:"path" maxLength:"300"`
	Digest string `json:"digest" maxLength:"100" doc:"of the text that was read"`
	anchorhold.Span
}

// maxMarks is how many marks one act may hold.
const maxMarks = 200

// texts are all that a reviewer reads of a request, line by line.
func texts(r anchorhold.Request) []anchorhold.File {
	return append([]anchorhold.File{asked(r)}, r.Code.Files...)
}

// lines counts the lines of a text as they are shown.
func lines(text string) int {
	return strings.Count(strings.TrimSuffix(text, "\n"), "\n") + 1
}

// ReadingOf says how far a request has been read by somebody, and by whom else
// of those that named lets pass; nil names nobody.
func ReadingOf(tx store.Tx, r anchorhold.Request, reader string, named func(reader string) (bool, error)) (anchorhold.Reading, error) {
	out := anchorhold.Reading{Datasets: []string{}, Parts: []anchorhold.ReadingPart{}}
	for _, name := range datasets(r.Assets) {
		d, err := tx.Dataset(name)
		if err != nil {
			return out, err
		}
		if d.Review == anchorhold.EveryLine {
			out.Datasets = append(out.Datasets, name)
		}
	}
	for _, f := range texts(r) {
		part := anchorhold.ReadingPart{
			Path: f.Path, Text: f.Text, Digest: digest.SHA256([]byte(f.Text)), Lines: lines(f.Text), Readers: []string{},
		}
		marks, err := tx.SeenOf(part.Digest)
		if err != nil {
			return out, err
		}
		by := map[string][]anchorhold.Span{}
		names := map[string]string{}
		for _, m := range marks {
			if m.Path == part.Path {
				by[m.Reader] = append(by[m.Reader], anchorhold.Span{First: m.First, Last: m.Last})
				names[m.Reader] = m.ReaderName
			}
		}
		part.Unread = unread(part.Lines, by[reader])
		if part.Readers, err = wholly(part.Lines, by, names, named); err != nil {
			return out, err
		}
		for _, s := range part.Unread {
			out.Unread += s.Last - s.First + 1
		}
		out.Parts = append(out.Parts, part)
	}
	return out, nil
}

// wholly names who has marked all lines of a text, of those that named lets pass.
func wholly(lines int, by map[string][]anchorhold.Span, names map[string]string, named func(string) (bool, error)) ([]string, error) {
	out := []string{}
	for who, spans := range by {
		if named == nil || len(unread(lines, spans)) > 0 {
			continue
		}
		shown, err := named(who)
		if err != nil {
			return out, err
		}
		if shown {
			out = append(out, names[who])
		}
	}
	slices.Sort(out)
	return out, nil
}

// unread gives the lines of 1 to n that no span holds, in order.
func unread(n int, seen []anchorhold.Span) []anchorhold.Span {
	out := []anchorhold.Span{}
	seen = slices.Clone(seen)
	slices.SortFunc(seen, func(a, b anchorhold.Span) int { return a.First - b.First })
	next := 1
	for _, s := range append(seen, anchorhold.Span{First: n + 1, Last: n + 1}) {
		if s.First > next {
			out = append(out, anchorhold.Span{First: next, Last: s.First - 1})
		}
		next = max(next, s.Last+1)
	}
	return out
}

// MarkSeen records that the permit's principal has seen lines of a request that
// waits for a decision.
func (s *Service) MarkSeen(ctx context.Context, p policy.Permit, id string, marks []Mark) error {
	if len(marks) == 0 || len(marks) > maxMarks {
		return anchorhold.Errorf(anchorhold.Invalid, "mark 1 to 200 runs of lines at a time", "the number of marks is out of range")
	}
	_, err := s.act(ctx, p, func(tx store.Tx) (string, books.Record, error) {
		r, err := s.undecided(tx, id)
		if err != nil {
			return id, books.Record{}, err
		}
		details := map[string]string{}
		for _, m := range marks {
			if err := s.mark(tx, p, r, m); err != nil {
				return id, books.Record{}, err
			}
			details[m.Path] = strings.TrimPrefix(details[m.Path]+fmt.Sprintf(", %d to %d", m.First, m.Last), ", ")
		}
		return id, books.Record{Subject: id, Digest: r.Digest, Details: details}, nil
	})
	return err
}

func (s *Service) mark(tx store.Tx, p policy.Permit, r anchorhold.Request, m Mark) error {
	i := slices.IndexFunc(texts(r), func(f anchorhold.File) bool { return f.Path == m.Path })
	if i < 0 {
		return anchorhold.Errorf(anchorhold.Invalid, "see `anchorhold request show "+r.ID+" --review`", "the request has no file of that name")
	}
	text := texts(r)[i].Text
	if digest.SHA256([]byte(text)) != m.Digest {
		return anchorhold.Errorf(anchorhold.Conflict, "read it again: `anchorhold request read "+r.ID+"`", "what was read is not the text of this request")
	}
	if m.First < 1 || m.Last < m.First || m.Last > lines(text) {
		return anchorhold.Errorf(anchorhold.Invalid, fmt.Sprintf("it has the lines 1 to %d", lines(text)), "the file has no such lines")
	}
	return tx.AddSeen(anchorhold.Seen{
		Request: r.ID, Path: m.Path, Digest: m.Digest, First: m.First, Last: m.Last,
		Reader: p.Principal().ID, ReaderName: p.Principal().Name(), At: s.Books.Now(),
	})
}

// haveRead gives the rule of review under which somebody approves for a
// dataset, and refuses where it asks for every line and some are unread.
func haveRead(tx store.Tx, p policy.Permit, r anchorhold.Request, dataset string) (anchorhold.ReviewRule, error) {
	d, err := tx.Dataset(dataset)
	if err != nil || d.Review != anchorhold.EveryLine {
		return anchorhold.AnyReview, err
	}
	who := p.Principal()
	if who.Email == "" {
		return d.Review, anchorhold.Errorf(anchorhold.Denied, "approve with a reviewer's own token: --url and ANCHORHOLD_TOKEN",
			"every line of a request over %s is read by a person with an account, not by who acts on the machine", dataset)
	}
	reading, err := ReadingOf(tx, r, who.ID, nil)
	if err == nil && reading.Unread > 0 {
		err = anchorhold.Errorf(anchorhold.Conflict, "read them with `anchorhold request read "+r.ID+"`",
			"%s asks for every line to be read, and you have not marked %d of them as seen", dataset, reading.Unread)
	}
	return d.Review, err
}
