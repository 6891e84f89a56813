package pyenv

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/sandbox"
)

//go:embed tool.py
var toolCode []byte

//go:embed fetch.py
var fetchCode string

// maxSource bounds one source archive, and one wheel that is made of it.
const maxSource = 256 << 20

// buildSources makes a wheel of each package that the lock wants built, in the
// lock's order, so that a later one may need an earlier one. The archives come
// from outside and are those that the lock names by hash; their code runs in the
// sandbox only, which has no network and sees the environment as it is so far.
func (b *builder) buildSources(ctx context.Context, tmp string) error {
	if len(b.lock.builds) == 0 {
		return nil
	}
	if b.store.NewSandbox == nil {
		return anchorhold.Errorf(anchorhold.Unavailable, "build the environment with `anchorhold env add` on a machine with a working sandbox",
			"the lock has packages that are built from their sources, for which there is no sandbox here")
	}
	box, end, err := b.store.NewSandbox()
	if err != nil {
		return err
	}
	defer end()
	urls, err := b.findSources(ctx)
	if err != nil {
		return err
	}
	for _, name := range b.lock.builds {
		p := b.lock.pin(name)
		data, err := b.source(ctx, p, urls[name])
		if err != nil {
			return err
		}
		b.progress(fmt.Sprintf("building %s %s from its sources in the sandbox", p.name, p.version))
		files, err := b.inSandbox(ctx, box, tmp, "build", data)
		if err != nil {
			return err
		}
		if len(files) != 1 || files[0].Name != "wheel.whl" {
			return notAWheel(p)
		}
		if err := unpackWheel(files[0].Bytes(), p, filepath.Join(tmp, packagesDir)); err != nil {
			return err
		}
	}
	return nil
}

// pin finds the one package of a normalised name.
func (l Lock) pin(name string) pin {
	i := slices.IndexFunc(l.pins, func(p pin) bool { return normal(p.name) == name })
	return l.pins[i] // ParseLock has seen it
}

// ready is the lock without what is built from sources, for the installer.
func (l Lock) ready() string {
	var b strings.Builder
	for _, p := range l.pins {
		if !slices.Contains(l.builds, normal(p.name)) {
			b.WriteString(p.line)
		}
	}
	return b.String()
}

var (
	tomlName  = regexp.MustCompile(`^name = "([A-Za-z0-9._-]+)"$`)
	tomlSdist = regexp.MustCompile(`^sdist = \{ url = "([^"\\]+)"`)
)

// findSources asks uv where the source archives lie, by the user's own settings
// of indexes and proxies. uv would run a package's set-up code to learn what it
// needs; that is told to it instead, so that it runs nothing.
func (b *builder) findSources(ctx context.Context) (map[string]string, error) {
	if b.files != "" {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "anchorhold-sources-")
	if err != nil {
		return nil, storeError(os.TempDir(), err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var wanted, told strings.Builder
	for _, name := range b.lock.builds {
		p := b.lock.pin(name)
		fmt.Fprintf(&wanted, "%s==%s\n", p.name, p.version)
		fmt.Fprintf(&told, "[[dependency-metadata]]\nname = %q\nrequires-dist = []\n", name)
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "uv.toml"), []byte(told.String()), 0o600),
		os.WriteFile(filepath.Join(dir, "wanted.in"), []byte(wanted.String()), 0o600))
	if err != nil {
		return nil, storeError(dir, err)
	}
	args := append(slices.Clone(b.uv[1:]), "pip", "compile", "--no-deps", "--no-header", "--no-annotate", "--quiet", "--format", "pylock.toml",
		"--config-file", filepath.Join(dir, "uv.toml"), "--python", b.py.Path, "--no-python-downloads", "--color", "never",
		"-o", filepath.Join(dir, "pylock.toml"), "wanted.in")
	cmd := exec.CommandContext(ctx, b.uv[0], args...)
	cmd.Dir = dir
	if out, err := runAll(cmd); err != nil {
		return nil, uvError(err, out)
	}
	found, err := os.ReadFile(filepath.Join(dir, "pylock.toml"))
	if err != nil {
		return nil, storeError(dir, err)
	}
	urls, name := map[string]string{}, ""
	for line := range strings.SplitSeq(string(found), "\n") {
		if m := tomlName.FindStringSubmatch(line); m != nil {
			name = normal(m[1])
		}
		if m := tomlSdist.FindStringSubmatch(line); m != nil {
			urls[name] = m[1]
		}
	}
	return urls, nil
}

// source gives a package's source archive: the bytes that the lock names.
func (b *builder) source(ctx context.Context, p pin, url string) ([]byte, error) {
	if b.files != "" {
		return p.fileIn(b.files)
	}
	if url == "" {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "lock a version that has one, or use its wheel", "%s %s has no source archive", p.name, p.version)
	}
	b.progress(fmt.Sprintf("fetching the sources of %s %s", p.name, p.version))
	dir, err := os.MkdirTemp("", "anchorhold-sources-")
	if err != nil {
		return nil, storeError(os.TempDir(), err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "source")
	cmd := exec.CommandContext(ctx, b.py.Path, "-I", "-S", "-B", "-c", fetchCode, url, path, strconv.Itoa(maxSource))
	if out, err := runAll(cmd); err != nil {
		return nil, anchorhold.Errorf(anchorhold.Unavailable, "check the network, or give a folder with the files: --from DIR",
			"the sources of %s %s cannot be downloaded", p.name, p.version).Because(errors.Join(err, errors.New(out)))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, storeError(dir, err)
	}
	if !p.names(data) {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "do not use it; make the lock again if you trust the index, or use another index",
			"the downloaded sources of %s %s are not those that the lock names", p.name, p.version)
	}
	return data, nil
}

// names says whether the lock has the hash of a file of this package.
func (p pin) names(data []byte) bool {
	sum := sha256.Sum256(data)
	return slices.Contains(p.hashes, hex.EncodeToString(sum[:]))
}

// fileIn finds a package's source archive in a folder, by its hash.
func (p pin) fileIn(dir string) ([]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.NotFound, "name a folder with the lock's files", "%s cannot be read", dir).Because(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxSource || !strings.HasSuffix(e.Name(), ".tar.gz") ||
			!strings.HasPrefix(normal(e.Name()), normal(p.name)+"-") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err == nil && p.names(data) {
			return data, nil
		}
	}
	return nil, anchorhold.Errorf(anchorhold.NotFound, "put the archive that the lock names there", "the folder has no sources of %s %s", p.name, p.version)
}

// Where things lie in the sandbox in which packages are built.
const (
	toolPath = "/tool/tool.py"
	toolEnv  = "/env"
)

// inSandbox has tool.py do something with the environment as it is so far, and
// gives the files that came out: hostile bytes.
func (b *builder) inSandbox(ctx context.Context, box sandbox.Sandbox, tmp, what string, input []byte) ([]sandbox.File, error) {
	limits := sandbox.DefaultLimits()
	limits.Wall, limits.CPUTime = 30*time.Minute, 60*time.Minute
	if err := os.Chmod(tmp, 0o755); err != nil { //nolint:gosec // as in mkdirPublic; the run account must enter it
		return nil, storeError(tmp, err)
	}
	session, err := box.Start(ctx, sandbox.Spec{
		ID:   strings.ToLower(anchorhold.NewID("env")),
		Argv: []string{b.py.Path, "-P", "-s", "-S", "-B", toolPath, what},
		Env: []string{
			"HOME=/tmp", "TMPDIR=/tmp", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC", "PYTHONHASHSEED=0", "MPLBACKEND=Agg",
			"MPLCONFIGDIR=/tmp", "PYTHONPATH=" + toolEnv + "/" + packagesDir, "SOURCE_DATE_EPOCH=1262304000",
		},
		Binds: []sandbox.Bind{{Host: tmp, Guest: toolEnv}}, Files: map[string][]byte{toolPath: toolCode}, Limits: limits,
	})
	if err != nil {
		return nil, err
	}
	defer session.Kill()
	conn := session.Conn()
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { session.Kill(); _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	files, talkErr := talk(conn, input)
	_ = conn.Close() // a guest that still writes is told so, and ends
	result, err := session.Wait(ctx)
	switch {
	case err != nil:
		return nil, err
	case result.Status != sandbox.OK:
		return nil, buildFailed(result.Reason, result.Log)
	case talkErr != nil:
		return nil, buildFailed("it sent no result", result.Log).Because(talkErr)
	}
	return files, nil
}

func buildFailed(reason string, log []byte) *anchorhold.Error {
	return anchorhold.Errorf(anchorhold.Invalid, "read the details; lock what it needs to be built (such as setuptools), or use a ready-made wheel",
		"a package cannot be built from its sources: %s", reason).Because(errors.New(string(log[max(0, len(log)-maxOutput):])))
}

// talk sends the input and takes the answer.
func talk(conn *net.UnixConn, input []byte) ([]sandbox.File, error) {
	head := binary.BigEndian.AppendUint64(nil, uint64(len(input)))
	for _, part := range [][]byte{head, input} {
		if _, err := conn.Write(part); err != nil {
			return nil, err
		}
	}
	return sandbox.Unpack(io.Reader(conn), sandbox.UnpackLimits{TotalBytes: maxSource, FileBytes: maxSource, Entries: 1})
}
