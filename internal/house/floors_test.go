package house

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// place says on which floor a room lies, and why there.
type place struct {
	room  string
	floor int
	why   string
}

// floors is the house. A room imports rooms of lower floors, and of its own
// floor only along a line of the table below. A new room gets a line here.
var floors = []place{
	{".", 0, "the words of the domain: every room speaks them, so they depend on none"},
	{"failpoint", 0, "stops the program at a named durable step: usable by every room that has one"},

	{"internal/pages", 0, "gives back the memory of a start: knows nothing of ours"},

	{"internal/plaintar", 0, "says which entries of an archive are plain files: headers alone"},
	{"internal/plaintar/plaintartest", 0, "archives for tests that no honest program writes"},

	{"internal/flatbuffer", 0, "reads facts of flatbuffers that nobody vouches for: bytes alone"},

	{"internal/dpaudit", 0, "what releases prove of a mechanism: statistics alone"},

	{"internal/exectest", 0, "writes programs that a test then starts"},
	{"internal/postgrestest", 0, "a PostgreSQL for tests: knows nothing of ours"},

	{"digest", 1, "names content; crypto by itself, no store and no web"},
	{"audit", 1, "a transparency log by itself: declares the small store that it needs"},
	{"identity", 1, "tokens by themselves"},
	{"identity/keys", 1, "a site's keys, and their public form"},
	{"store", 1, "offers transactions over the domain's types, and knows no act"},
	{"store/sqlite", 1, "one implementation of store"},
	{"blob", 1, "bytes under keyed names"},
	{"backup", 1, "the form of a backup: parts in one encrypted stream"},
	{"disclosure", 1, "what an output may say about rows: pure computation"},
	{"catalog", 1, "reads tables and describes them; decides nothing"},
	{"catalog/codec", 1, "reads and writes the formats of assets; knows no asset"},
	{"catalog/codec/geojson", 1, "one format in a room of its own: the example for others"},
	{"catalog/mock", 1, "makes mocks from a card alone, with no handle to private files"},

	{"sandbox", 2, "the contract of a boundary around foreign code"},
	{"sandbox/gvisor", 2, "the one implementation, the only room that knows gVisor"},
	{"sandbox/warm", 2, "keeps sessions of any sandbox ready, and knows no program in them"},
	{"pyenv", 2, "Python environments from locks"},
	{"intake", 2, "has what owners hand in read behind the boundary, as hostile bytes"},
	{"engine", 2, "bounded statements executed where data are: the contract"},
	{"engine/postgres", 2, "one implementation: the owner's own database, where the data stay"},
	{"engine/duckdb", 2, "one implementation: files, in sessions of the worker"},
	{"engine/duckdb/wire", 2, "what host and worker say to each other"},
	{"engine/duckdb/worker", 2, "the worker's side of the conversation"},
	{"output", 2, "parses what foreign code wrote, as hostile bytes"},

	{"dp/account", 2, "a library by itself: how much answers may have revealed, and nothing of who asked"},
	{"dp/query", 2, "questions in SQL, bounded for any engine: text and numbers, and nothing of ours"},
	{"dp", 2, "differential privacy by itself: exact mechanisms, and nothing of ours"},

	{"keep", 3, "what becomes of a site's records over the years"},
	{"books", 3, "one durable act together with its audit entry"},
	{"policy", 3, "who may do what, and by which rule"},
	{"question", 3, "a question in SQL that is answered without a person"},
	{"exposure", 3, "how much may be learnt, and was, by proved answers"},
	{"account", 3, "who is known to a site, and by which tokens"},
	{"dataset", 3, "what an owner offers, registered as durable acts"},
	{"environment", 3, "which environments researchers ask a site to build"},
	{"notify/mailtest", 0, "a mail server for tests: knows nothing of ours"},
	{"notify", 3, "tells people and programs outside what happened, from the audit log"},
	{"request", 3, "what is asked, and what was decided about it"},
	{"run/job", 3, "one function on its way through the sandbox and back"},
	{"run/lint", 3, "reads code for what a reviewer should look at, without running it"},
	{"run", 3, "one execution of a granted request"},
	{"release", 3, "the decision that lets an output leave"},
	{"receipt", 3, "the signed statement about a release, and its check offline"},

	{"site", 4, "composes everything below and owns the life of a node"},
	{"api", 4, "HTTP: translates, never decides"},

	{"client", 5, "a researcher's or owner's side of the HTTP API"},
	{"sdk/python", 0, "the collector of the Python package, embedded as text"},
	{"packaging/systemd", 0, "the unit of a service: a text alone"},
	{"demo/data", 0, "the demonstration's tables and their licence: bytes alone"},
	{"demo", 5, "the demonstration: sites as processes, a researcher, an independent computation"},
	{"cmd/anchorhold-duckdb", 6, "DuckDB itself, in a program of its own"},
	{"cmd/anchorhold", 6, "one file per command; wires and sets exit codes"},

	{"internal/house", 7, "the rules: imports nothing of ours and is imported by nothing"},
	{"internal/readme", 7, "runs the README against the built program"},
	{"internal/mutants", 7, "builds that are broken on purpose: edits of the rooms below, which it does not import"},
	{"internal/wholeway", 7, "tests of the whole way of a question"},
	{"bench", 7, "measures the rooms below"},
}

// along lists the imports within a floor, each with its reason.
var along = []struct{ from, to, why string }{
	{"audit", "digest", "events are hashed in their canonical form"},
	{"audit", "identity/keys", "checkpoints are signed with the site's key"},
	{"backup", "identity/keys", "a backup is signed with the site's key"},
	{"store", "audit", "a transaction can take the log's rows: audit says which"},
	{"store/sqlite", "audit", "a log that has ended is read as audit reads any"},
	{"store/sqlite", "store", "implements its interface"},
	{"catalog", "disclosure", "registration makes the keyed index that checks use"},
	{"catalog", "catalog/codec", "an asset is read through the codec of its format"},
	{"catalog", "catalog/codec/geojson", "a format is a line in its list"},
	{"catalog/codec/geojson", "catalog/codec", "implements its interface"},
	{"catalog/codec/geojson", "catalog/mock", "writes mocks from what the generator draws"},
	{"catalog/codec", "catalog/mock", "a codec writes mocks from what the generator draws"},
	{"sandbox/gvisor", "sandbox", "implements its interface"},
	{"engine/duckdb", "engine", "implements its interface"},
	{"engine/postgres", "engine", "implements its interface"},
	{"engine/duckdb", "sandbox", "asks DuckDB in its sessions"},
	{"engine/duckdb", "sandbox/warm", "takes sessions that were kept ready"},
	{"engine/duckdb/worker", "engine", "answers with its rows"},
	{"engine/duckdb/worker", "engine/duckdb/wire", "speaks that protocol"},
	{"engine/duckdb", "engine/duckdb/wire", "speaks that protocol"},
	{"engine/duckdb/wire", "engine", "carries its rows"},
	{"engine/duckdb/worker", "sandbox", "is a guest of its sessions"},
	{"intake", "sandbox", "reads files in its sessions"},
	{"pyenv", "sandbox", "packages without a wheel are built behind it"},
	{"sandbox/warm", "sandbox", "starts its sessions"},
	{"books", "policy", "an act needs a permit, which policy alone makes"},
	{"account", "books", "a new user or token is a durable act"},
	{"account", "policy", "acts with a permit"},
	{"account", "request", "what applicants write is held to the rules of what researchers write"},
	{"notify", "books", "follows the acts, and its setting is one"},
	{"notify", "policy", "whoever may decide is told that something waits"},
	{"notify", "request", "a notice speaks of a request in the state in which people see it"},
	{"question", "books", "what a question costs, and its answer, are durable acts"},
	{"question", "exposure", "the ledger decides whether there is an answer"},
	{"question", "policy", "acts with a permit"},
	{"question", "receipt", "an answer leaves with the receipt that describes it"},
	{"exposure", "books", "a limit, and what is spent of it, are durable acts"},
	{"exposure", "policy", "acts with a permit"},
	{"dataset", "books", "a new dataset or version is a durable act"},
	{"dataset", "policy", "acts with a permit"},
	{"request", "books", "an accepted or decided request is a durable act"},
	{"request", "policy", "acts with a permit"},
	{"environment", "books", "asking and answering are durable acts"},
	{"environment", "policy", "acts with a permit"},
	{"environment", "request", "people's words are checked in one way"},
	{"run", "receipt", "what is run again is what a receipt says"},
	{"run", "run/job", "a run is a job with everything around it"},
	{"run", "run/lint", "the code of a request is read before it is tried"},
	{"run", "books", "each state of a run is a durable act"},
	{"run", "policy", "acts with a permit"},
	{"release", "books", "a release is a durable act"},
	{"release", "policy", "acts with a permit"},
	{"release", "dataset", "withdrawing a dataset is an act over all that it led to"},
	{"release", "request", "what leaves is shown as its request is"},
	{"release", "receipt", "what left is described by the receipt made with it"},
	{"keep", "exposure", "after a restore every limit is taken for spent"},
	{"keep", "books", "what is removed, and the end of a freeze, are durable acts"},
	{"keep", "policy", "acts with a permit"},
	{"keep", "request", "which requests have ended, and what of them can be forgotten"},
	{"run", "request", "a run ends as its request says"},
	{"run", "release", "what a run wrote is offered for release in the act that ends it"},
	{"demo", "client", "the demonstration asks as any program does"},
	{"site", "api", "a site opens the doors of its API"},
}

// guarded lists packages from outside that only some rooms may import: the
// technology stays behind one door, and a dangerous one behind none.
var guarded = []struct {
	path  string   // the package or everything below it
	rooms []string // who may
	why   string
}{
	{"gvisor.dev/gvisor", []string{"sandbox/gvisor"}, "each binary that links gVisor is 1–2 GB of linking: go through sandbox"},
	{"modernc.org/sqlite", []string{"store/sqlite"}, "the store is an interface: go through store"},
	{"github.com/jackc/pgx", []string{"engine/postgres"}, "an owner's database is asked through engine"},
	{"github.com/duckdb", []string{"cmd/anchorhold-duckdb"}, "DuckDB is C++: it runs in a program of its own, in the sandbox"},
	{"database/sql", []string{"store/sqlite"}, "the store is an interface: go through store"},
	{"filippo.io/age", []string{"blob", "backup", "identity/keys"}, "what is encrypted at rest is encrypted in few places"},
	{"github.com/cedar-policy", []string{"policy"}, "one point decides: go through policy"},
	{"github.com/danielgtaylor/huma", []string{"api"}, "only api speaks HTTP's language"},
	{"github.com/spf13/cobra", []string{"cmd/anchorhold"}, "commands are thin edges of the program"},
	{"github.com/prometheus", []string{"site"}, "what is counted is told through api.Meter: rooms below count nothing"},
	{
		"net/http",
		[]string{"api", "site", "client", "cmd/anchorhold", "notify", "internal/readme"},
		"what happens to a question must not know how it travelled",
	},
	{
		"os/exec",
		[]string{"sandbox/gvisor", "pyenv", "demo", "cmd/anchorhold", "notify", "internal/readme", "internal/postgrestest"},
		"foreign code starts in the sandbox and nowhere else",
	},
	{"encoding/gob", nil, "formats that last are JSON, Parquet, npy, PNG and text"},
	{"plugin", nil, "code is linked in sight or runs in the sandbox"},
	{"math/rand", []string{"catalog/mock", "client"}, "draw from crypto/rand: only a mock comes from a seed, and only a pause between tries need not be secret"},
	{"unsafe", []string{"sandbox/gvisor"}, "bytes from outside are parsed, never reinterpreted; only the sandbox's hostile probe makes raw system calls"},
	{"log", nil, "use log/slog, handed in"},
}

func TestImportsRunDownward(t *testing.T) { report(t, checkFloors(ours(t))) }

func TestTechnologiesStayBehindTheirDoors(t *testing.T) { report(t, checkGuarded(ours(t))) }

func TestTablesNameRoomsThatExist(t *testing.T) {
	house := ours(t)
	exists := func(dir, table string) {
		if _, ok := house.find(dir); !ok {
			t.Errorf("%s names %s, which is not there: take the line out", table, dir)
		}
	}
	for _, p := range floors {
		exists(p.room, "floors")
	}
	for _, a := range along {
		r, ok := house.find(a.from)
		if !ok || !slices.ContainsFunc(house.imports(r), func(u use) bool { return u.path == module+"/"+a.to }) {
			t.Errorf("along permits %s to import %s, which it does not: take the line out", a.from, a.to)
		}
	}
	for _, g := range guarded {
		for _, r := range g.rooms {
			exists(r, "guarded")
		}
	}
}

// TestTheProgramElsewhereHasNoSite because a site's rooms need what only Linux has:
// one import too many, and nobody can ask from Windows any more.
func TestTheProgramElsewhereHasNoSite(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "./cmd/anchorhold")
	list.Dir, list.Env = "../..", append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	built := strings.Fields(string(out))
	if !slices.Contains(built, module+"/client") {
		t.Fatalf("the program elsewhere is built without the client: %q", built)
	}
	for _, room := range []string{"blob", "store", "books", "policy", "run", "api", "site"} {
		if slices.Contains(built, module+"/"+room) {
			t.Errorf("cmd/anchorhold for Windows is built with %s: put what the command needs of it into a room below, or the file under //go:build unix", room)
		}
	}
}

// checkFloors finds imports of our own packages that do not run downward.
func checkFloors(house *tree) []string {
	at := map[string]int{}
	for _, p := range floors {
		at[p.room] = p.floor
	}
	permitted := map[[2]string]bool{}
	for _, a := range along {
		permitted[[2]string{a.from, a.to}] = true
	}
	var findings []string
	for _, r := range house.rooms {
		from := belongsTo(r.dir)
		if _, ok := at[from]; !ok {
			findings = append(findings, fmt.Sprintf("%s has no line in the table of floors: say where it lies, and why", from))
			continue
		}
		for _, use := range house.imports(r) {
			to, ok := strings.CutPrefix(use.path, module)
			if !ok {
				continue
			}
			to = strings.TrimPrefix(to, "/")
			if forTests(to) && !forTests(r.dir) {
				findings = append(findings, fmt.Sprintf("%s: %s imports %s, which is for tests alone", use.at, from, to))
				continue
			}
			if to = belongsTo(to); to == "" {
				to = "."
			}
			if to == from || at[to] < at[from] || permitted[[2]string{from, to}] {
				continue
			}
			findings = append(findings, fmt.Sprintf(
				"%s: %s (floor %d) imports %s (floor %d): declare the small interface that you need beside its caller, and let a higher floor hand it in",
				use.at, from, at[from], to, at[to]))
		}
	}
	return findings
}

// checkGuarded finds imports from outside in rooms that may not have them.
func checkGuarded(house *tree) []string {
	var findings []string
	for _, r := range house.rooms {
		if forTests(r.dir) {
			continue // no program is built of it: checkFloors sees to that
		}
		for _, use := range house.imports(r) {
			for _, g := range guarded {
				below := strings.HasPrefix(use.path, g.path+"/") && use.path != "log/slog"
				if use.path != g.path && !below || slices.Contains(g.rooms, belongsTo(r.dir)) {
					continue
				}
				findings = append(findings, fmt.Sprintf("%s: %s may not import %s: %s", use.at, r.dir, use.path, g.why))
			}
		}
	}
	return findings
}

// use is one import of a room's code.
type use struct{ path, at string }

// imports lists what a room's code imports. Tests may import what they like:
// they are not built into the program.
func (t *tree) imports(r room) []use {
	var list []use
	for _, f := range r.code() {
		for _, spec := range f.ast.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				p = spec.Path.Value
			}
			list = append(list, use{p, t.at(spec.Pos())})
		}
	}
	return list
}

// forTests says whether a folder holds what tests of others need.
func forTests(dir string) bool {
	last := path.Base(dir)
	return strings.HasSuffix(last, "test") && last == path.Base(path.Dir(dir))+"test"
}

// belongsTo gives the room that a folder is part of: what lies in a room's
// internal folder can be imported by that room alone, and a folder named after
// its room and "test" (store/storetest) holds what tests of others need of it.
func belongsTo(dir string) string {
	if outer, _, ok := strings.Cut(dir, "/internal/"); ok {
		return outer
	}
	if outer := path.Dir(dir); path.Base(dir) == path.Base(outer)+"test" {
		return outer
	}
	return dir
}
