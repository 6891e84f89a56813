package show_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func TestOne(t *testing.T) {
	for in, want := range map[string]string{
		"plain text, 100% ~":       "plain text, 100% ~",
		"Zürich, 東京, 5 µg ± 2 €":   "Zürich, 東京, 5 µg ± 2 €",
		"a\x1b[2Jb":                "a⟨U+001B⟩[2Jb",
		"a\x9b2J":                  "a⟨0x9B⟩2J",
		"a\u009b2J":                "a⟨U+009B⟩2J",
		"one\ntwo\rthree\tfour":    "one⟨U+000A⟩two⟨U+000D⟩three⟨U+0009⟩four",
		"admin\u202e\u2066nimda":   "admin⟨U+202E⟩⟨U+2066⟩nimda",
		"a\u200bb\u2060c\ufeffd":   "a⟨U+200B⟩b⟨U+2060⟩c⟨U+FEFF⟩d",
		"a\u00a0b\u3000c\u2028d":   "a⟨U+00A0⟩b⟨U+3000⟩c⟨U+2028⟩d",
		"\u3164\u115f\uffa0\u2800": "⟨U+3164⟩⟨U+115F⟩⟨U+FFA0⟩⟨U+2800⟩",
		"a\ufe0f\U000e0041\u00ad":  "a⟨U+FE0F⟩⟨U+E0041⟩⟨U+00AD⟩",
		"\xff\xfe bad":             "⟨0xFF⟩⟨0xFE⟩ bad",
		"\x7f\x00":                 "⟨U+007F⟩⟨U+0000⟩",
	} {
		if got := show.One(in); got != want {
			t.Errorf("One(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	if got, want := show.Lines("a\r\nb\tc\rd\x1b[m\n"), "a\nb    c⟨U+000D⟩d⟨U+001B⟩[m\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCode(t *testing.T) {
	source := strings.Repeat("x = 1\n", 9) + "\treturn x \u202e\n"
	lines := strings.Split(show.Code(source), "\n")
	if lines[0] != " 1  x = 1" || lines[9] != "10      return x ⟨U+202E⟩" || len(lines) != 11 {
		t.Errorf("%q", lines)
	}
	if got := show.Code(""); got != "1\n" {
		t.Errorf("empty: %q", got)
	}
}

func TestSuspicious(t *testing.T) {
	got := show.Suspicious("ok = 1\r\nif user != 'x\u202e\u2066': pass\npаssword = 1\n\tindent\n\x0c\n'\xff'\n")
	want := []show.Finding{
		{2, "hidden or control characters: U+202E, U+2066"},
		{3, "letters that may look like others: а (U+0430)"},
		{5, "hidden or control characters: U+000C"},
		{6, "hidden or control characters: 0xFF"},
	}
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
	if many := show.Suspicious("абвгдежзий")[0].What; strings.Count(many, "U+") != 8 || !strings.HasSuffix(many, "…") {
		t.Errorf("%q", many)
	}
}

type name string

func TestPrinterEscapesEveryArgument(t *testing.T) {
	var b bytes.Buffer
	p := show.NewPrinter(&b)
	p.Printf("%s %v %d %s|%s|%v\n", "a\nb", name("c\x1b"), 7, show.Block("d\ne\x1b"), errors.New("f\x07"), time.Duration(3))
	if want := "a⟨U+000A⟩b c⟨U+001B⟩ 7 d\ne⟨U+001B⟩|f⟨U+0007⟩|3ns\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	p := show.NewPrinter(&b)
	p.Table("nothing", []string{"ID", "WHO"}, [][]string{{"req-1", "zoë"}, {"r", "x\ty\n"}, {strings.Repeat("ä", 99), ""}})
	for _, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		if strings.HasSuffix(line, " ") || strings.ContainsAny(line, "\t") {
			t.Errorf("%q", line)
		}
	}
	lines := strings.Split(b.String(), "\n")
	before, _, _ := strings.Cut(lines[0], "WHO")
	if at := utf8.RuneCountInString(before); at != 101 || !strings.HasPrefix(string([]rune(lines[1])[at:]), "zoë") {
		t.Errorf("columns do not line up:\n%s", b.String())
	}
	b.Reset()
	p.Table("nothing yet", []string{"ID"}, nil)
	if b.String() != "nothing yet\n" {
		t.Errorf("%q", b.String())
	}
}

func TestCut(t *testing.T) {
	for in, want := range map[string]string{"äöü": "äöü", "äöüß": "äö…", "": ""} {
		if got := show.Cut(in, 3); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestFieldAndTimes(t *testing.T) {
	var b bytes.Buffer
	p := show.NewPrinter(&b)
	p.Field("who", "a\nb")
	p.Field("none", "")
	if b.String() != "who            a⟨U+000A⟩b\n" {
		t.Errorf("%q", b.String())
	}
	at := time.Date(2026, 11, 21, 3, 4, 5, 0, time.UTC)
	if got := show.TimeOf(&at); got != at.Local().Format("2006-01-02 15:04") || show.Time(time.Time{}) != "–" || show.TimeOf(nil) != "–" {
		t.Errorf("%q", got)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536 << 20: "1.5 GiB", 10 << 30: "10 GiB", 1 << 62: "4096 PiB"} {
		if got := show.Size(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("pipe") }

func TestPrinterRemembersError(t *testing.T) {
	p := show.NewPrinter(broken{})
	p.Printf("x")
	p.Field("a", "b")
	if p.Err() == nil {
		t.Error("a broken pipe went unnoticed")
	}
}

func TestJSONKeepsValues(t *testing.T) {
	in := map[string]string{"a<b>&": "x\x1b\u009b\u202e\u2028\U000e0041\u00a0é\n"}
	var b bytes.Buffer
	if err := show.JSON(&b, in); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `"a<b>&"`) || !harmless(b.String()) {
		t.Errorf("%q", b.String())
	}
	var out map[string]string
	if err := json.Unmarshal(b.Bytes(), &out); err != nil || out["a<b>&"] != in["a<b>&"] {
		t.Errorf("%q, %v", out, err)
	}
}

// harmless says whether a terminal finds nothing to obey in text.
func harmless(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Bidi_Control, unicode.Zl, unicode.Zp)) {
			return false
		}
	}
	return true
}

func FuzzEscape(f *testing.F) {
	f.Add("a\x1b]0;t\x07 \u202e \xff")
	f.Fuzz(func(t *testing.T, s string) {
		if one := show.One(s); !harmless(one) || strings.Contains(one, "\n") {
			t.Errorf("One: %q", one)
		}
		if !harmless(show.Lines(s)) || !harmless(show.Code(s)) {
			t.Errorf("Lines: %q", show.Lines(s))
		}
		var b bytes.Buffer
		if err := show.JSON(&b, s); err != nil || !harmless(b.String()) {
			t.Errorf("JSON: %q %v", b.String(), err)
		}
		for _, found := range show.Suspicious(s) {
			if !harmless(show.One(found.What)) {
				t.Errorf("finding: %q", found.What)
			}
		}
	})
}
