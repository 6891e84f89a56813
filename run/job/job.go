// Package job is one Python function on its way through the sandbox: what the
// host says, what the runner inside does, and what comes back.
//
// It promises that a job sees its code, the input files and its environment and
// nothing else, that inputs arrive as the function's parameters ask for them,
// and that results come back as data: no pickle on either side. It never takes
// the runner's word for anything: the author's code runs in the same process
// and can send whatever it likes, so the answer is hostile until package output
// has read it. The tests run the runner by itself, with code that lies and dies,
// and in the real sandbox; every type of result is sent round and compared.
//
// The runner (runner.py), the reader of inputs (inputs.py), the writer of results
// (encode.py, declared.py) and their reader (codec.py) are embedded; inputs.py and codec.py are
// also the researcher's, so that a mock and the private side look alike. On
// descriptor 3 the runner says "R" when it is ready, which it may be long before
// there is a job (Kind); the host answers with a
// length, the job as JSON and the input files' descriptors, as many messages of
// them as it takes; the runner ends with
// one tar stream: manifest.json, then one file for each output.
package job

import (
	"context"
	_ "embed"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/warm"
)

// Job describes one call of a function.
type Job struct {
	Files   []anchorhold.File
	Entry   string // "main.py:function"
	Inputs  []Input
	Values  map[string]json.RawMessage // by parameter name
	Outputs []output.Declared          // one: what the function returns; several: the values of a dict with these keys
	// Limits are those of the session. The runner sets the ones that each process
	// has for itself, which in a session that waited were larger; zero: none.
	Limits sandbox.Limits
}

// Input is a registered asset for one parameter of the function.
type Input struct {
	Parameter string   `json:"parameter"`
	Type      string   `json:"type"`   // one of digest.AssetTypes
	Format    string   `json:"format"` // name of the asset's codec
	FD        int      `json:"fd"`     // index among the files of Run
	Columns   []Column `json:"columns"`
	Missing   []string `json:"missing"`         // texts of a CSV file that mean "no value"
	Files     []File   `json:"files,omitempty"` // of an asset of files, in the order of their names
}

// File is one file of an asset: where its content lies among the files of Run.
type File struct {
	Name   string `json:"name"`
	FD     int    `json:"fd"`
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
}

// Column is a registered column: a CSV file is read by these, not by guessing.
type Column struct {
	Name   string                `json:"name"`
	Type   anchorhold.ColumnType `json:"type"`
	Fields []Column              `json:"fields,omitempty"` // of a nested type, its parts
}

// Where things lie in the sandbox.
const (
	python    = "/usr/bin/python3"
	envDir    = "/env"
	runnerDir = "/runner"
	outDir    = "/out"
	tmpDir    = "/tmp"
)

//go:embed runner.py
var runnerCode []byte

//go:embed inputs.py
var inputsCode []byte

//go:embed codec.py
var codecCode []byte

//go:embed declared.py
var declaredCode []byte

//go:embed encode.py
var encodeCode []byte

// runnerFiles is what lies beside each other where the runner is started.
func runnerFiles() map[string][]byte {
	return map[string][]byte{
		"runner.py": runnerCode, "inputs.py": inputsCode, "codec.py": codecCode, "declared.py": declaredCode, "encode.py": encodeCode,
	}
}

// Spec describes the session in which one job of an environment runs. id names
// the session: letters, digits, '-' and '_'. share is how many processors are left
// for the job when as many go on as may: see environ.
func Spec(id string, env pyenv.Env, limits sandbox.Limits, share int) sandbox.Spec {
	files := map[string][]byte{}
	for name, code := range runnerFiles() {
		files[runnerDir+"/"+name] = code
	}
	return sandbox.Spec{
		ID:   id,
		Argv: argv(env.Python, runnerDir, envDir, outDir),
		Env:  environ(tmpDir, limits.CPUs, share),
		Binds: []sandbox.Bind{
			{Host: env.Dir, Guest: envDir},
		},
		Files:  files,
		Limits: limits,
	}
}

// What a session costs that has warmed up and waits, and what it may take until
// then: on a busy machine the imports alone need seconds of processor time.
const (
	waitingCost   = 160 << 20
	waitingMemory = 1 << 30
	waitingCPU    = time.Minute
	waitingTime   = time.Hour
)

// Kind describes the sessions in which jobs of an environment run, so that some
// can be kept ready: interpreter started, usual libraries loaded and tried.
func Kind(env pyenv.Env, limits sandbox.Limits, share int) warm.Kind {
	spec := Spec("", env, limits, share)
	return warm.Kind{
		Name: "environment " + env.LockDigest + ", built as " + env.BuiltDigest, Spec: spec, Waiting: append(slices.Clone(spec.Argv), "wait"),
		Hold: sandbox.Hold{Memory: min(waitingMemory, limits.Memory), CPUTime: waitingCPU, Wall: waitingTime},
		Ready: func(ctx context.Context, s sandbox.Session) error {
			stop := context.AfterFunc(ctx, func() { _ = s.Conn().SetReadDeadline(time.Unix(1, 0)) }) // ends the waiting
			defer stop()
			return sandbox.Heard(s.Conn()) // its "R", which Run reads
		},
		Cost: waitingCost,
	}
}

// argv starts the runner. -P and -s keep the working and the home directory off
// the module path, -S the distribution's own packages: an environment is what
// its lock says. -I would do so too, but also ignore PYTHONHASHSEED; here the
// whole environment is ours, so there is nothing to be ignored. -B: there is
// nowhere to keep bytecode.
func argv(interpreter, runner, env, out string) []string {
	if interpreter == "" {
		interpreter = python
	}
	return []string{interpreter, "-P", "-s", "-S", "-B", runner + "/runner.py", env, out}
}

// environ is the whole environment of a job. Numerical libraries must know the
// number of processors that they may use. Those of BLAS and OpenMP wait for each
// other in loops that never sleep: where their threads share processors with those
// of another job, both are ten and more times slower, here as on any machine. So
// they have as many as the job has processors to itself, even when all slots are
// taken. Others (Arrow, joblib, NumExpr) sleep while they wait, and may use all
// processors that the limits allow; Arrow starts from OpenMP's number, and is told
// by the runner. Arrow keeps the memory that it has freed: pages are dear in a
// sandbox, and what comes next uses the same ones again.
//
// The hash seed is fixed so that a repeated run walks through its sets in the same
// order and gives the same bytes; what it protects, a service that strangers flood,
// does not exist here. Times are UTC everywhere.
func environ(tmp string, cpus float64, share int) []string {
	most := max(1, int(math.Floor(cpus)))
	all, own := strconv.Itoa(most), strconv.Itoa(max(1, min(most, share)))
	return []string{
		"HOME=" + tmp, "TMPDIR=" + tmp, "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC", "PYTHONHASHSEED=0", "MPLBACKEND=Agg",
		"OMP_NUM_THREADS=" + own, "OPENBLAS_NUM_THREADS=" + own, "MKL_NUM_THREADS=" + own, "NUMEXPR_MAX_THREADS=" + all, "LOKY_MAX_CPU_COUNT=" + all,
		"MIMALLOC_PURGE_DELAY=-1",
	}
}

// message is the job as the runner reads it.
type message struct {
	V           int                        `json:"v"`
	Files       []anchorhold.File          `json:"files"`
	Entry       string                     `json:"entry"`
	Inputs      []Input                    `json:"inputs"`
	Descriptors int                        `json:"descriptors"`
	Values      map[string]json.RawMessage `json:"values"`
	Outputs     []output.Declared          `json:"outputs"`
	// Of the process that runs the code, beside those of its session.
	AddressSpace int64 `json:"address_space,omitempty"`
}

// MaxDescriptors is how many open files a job may have: fewer than the guest may
// open, so that the code can open some too.
const MaxDescriptors = 512

// maxMessage bounds a job's text; the runner has the same limit.
const maxMessage = 64 << 20

var (
	identifier = regexp.MustCompile(`^[\pL_][\pL\pN\p{Mn}\p{Mc}_]*$`)
	entryPoint = regexp.MustCompile(`^[^:]+\.py:[^:./]+$`)
	formatName = regexp.MustCompile(`^[a-z0-9]{1,32}$`)
)

// marshal checks a job and writes it as JSON. What it finds wrong should have
// been refused when the request was made.
func (j Job) marshal(files int) ([]byte, error) {
	if !entryPoint.MatchString(j.Entry) || len(j.Files) == 0 || len(j.Outputs) == 0 {
		return nil, invalid("name the function as FILE.py:FUNCTION, and one output", "the job has no code, entry point or output")
	}
	if files > MaxDescriptors {
		return nil, invalid("pass many files as one", "the job has %d open files, which is more than %d", files, MaxDescriptors)
	}
	m := message{
		V: 1, Files: j.Files, Entry: j.Entry, Inputs: make([]Input, len(j.Inputs)), Descriptors: files,
		Values: j.Values, Outputs: j.Outputs,
	}
	if j.Limits != (sandbox.Limits{}) {
		m.AddressSpace = j.Limits.Memory + sandbox.AddressHeadroom
	}
	copy(m.Inputs, j.Inputs)
	used := make([]bool, files)
	for i, in := range m.Inputs {
		if err := in.check(used); err != nil {
			return nil, err
		}
		if _, twice := j.Values[in.Parameter]; twice {
			return nil, invalid("give it once", "the parameter %s is both an asset and a value", in.Parameter)
		}
		if in.Missing == nil {
			m.Inputs[i].Missing = []string{}
		}
		if in.Columns == nil {
			m.Inputs[i].Columns = []Column{}
		}
	}
	if slices.Contains(used, false) {
		return nil, invalid("pass the inputs' files and no other", "the job has a file that no input names")
	}
	if m.Values == nil {
		m.Values = map[string]json.RawMessage{}
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, invalid("give values as JSON", "a parameter's value is not JSON").Because(err)
	}
	if len(data) > maxMessage {
		return nil, anchorhold.Errorf(anchorhold.TooLarge, "offer large values as assets", "code and values are larger than %d MiB", maxMessage>>20)
	}
	return data, nil
}

// check refuses an input that nobody could read, and marks the files that it
// uses.
func (in Input) check(used []bool) error {
	if !identifier.MatchString(in.Parameter) {
		return invalid("name it as Python names variables", "a parameter has a name that is not allowed")
	}
	has := func(fd int) bool {
		there := fd >= 0 && fd < len(used)
		if there {
			used[fd] = true
		}
		return there
	}
	if len(in.Files) == 0 && !has(in.FD) {
		return invalid("number the files from 0", "the parameter %s has no file", in.Parameter)
	}
	for _, f := range in.Files {
		if !has(f.FD) || f.Offset < 0 || f.Size < 0 {
			return invalid("number the files from 0", "the parameter %s lacks one of its files", in.Parameter)
		}
	}
	if !slices.Contains(digest.AssetTypes(), in.Type) {
		return invalid("use one of "+strings.Join(digest.AssetTypes(), ", "), "the parameter %s has a type that is not known", in.Parameter)
	}
	if !formatName.MatchString(in.Format) {
		return invalid("use the name of a codec, such as csv", "the parameter %s has a format that is not known", in.Parameter)
	}
	return nil
}

func invalid(remedy, format string, args ...any) *anchorhold.Error {
	return anchorhold.Errorf(anchorhold.Invalid, remedy, format, args...)
}
