package audit

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/anchorhold/anchorhold"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// CheckpointPath is where the newest checkpoint is served.
const CheckpointPath = "checkpoint"

// tlog names tiles tile/8/L/N and entries tile/8/data/N; C2SP leaves the height
// out and says entries.
const (
	tlogPrefix  = "tile/8/"
	tilePrefix  = "tile/"
	tlogData    = tlogPrefix + "data/"
	entriesPath = tilePrefix + "entries/"
)

// parseTilePath reads a C2SP path. Level −1 means entries.
func parseTilePath(path string) (tlog.Tile, error) {
	notFound := anchorhold.Errorf(anchorhold.NotFound, "ask for checkpoint, tile/L/N or tile/entries/N", "the log has no such file")
	rest, ok := strings.CutPrefix(path, tilePrefix)
	if !ok || len(path) > 100 || strings.HasPrefix(rest, "data") {
		return tlog.Tile{}, notFound
	}
	if n, ok := strings.CutPrefix(path, entriesPath); ok {
		rest = "data/" + n
	}
	t, err := tlog.ParseTilePath(tlogPrefix + rest)
	if err != nil || t.L > 6 || t.N < 0 || t.N > maxSize>>tileHeight || tilePath(t) != path {
		return tlog.Tile{}, notFound.Because(err)
	}
	return t, nil
}

// tilePath is the C2SP path of a tile.
func tilePath(t tlog.Tile) string {
	p := t.Path()
	if n, ok := strings.CutPrefix(p, tlogData); ok {
		return entriesPath + n
	}
	return tilePrefix + strings.TrimPrefix(p, tlogPrefix)
}

// Tile gives the content of one C2SP path (checkpoint, tile/L/N[.p/W],
// tile/entries/N[.p/W]), made from what is stored. What the newest checkpoint
// does not cover, and any other path, is NotFound.
func Tile(r Reader, path string) ([]byte, error) {
	signed, size, err := newest(r)
	if err != nil {
		return nil, err
	}
	if path == CheckpointPath {
		return signed, nil
	}
	t, err := parseTilePath(path)
	if err != nil {
		return nil, err
	}
	have := size >> (tileHeight * max(t.L, 0)) // hashes of the level, or entries
	if t.N*tileWidth+int64(t.W) > have {
		return nil, anchorhold.Errorf(anchorhold.NotFound, "read the checkpoint for the log's size", "the log is not that long")
	}
	if t.L < 0 {
		return entryBundle(r, t)
	}
	return tlog.ReadTileData(t, hashReader{r})
}

// newest reads the newest checkpoint of our own store and its size.
func newest(r Reader) ([]byte, int64, error) {
	signed, err := r.Checkpoint()
	if err != nil {
		return nil, 0, err
	}
	if signed == nil {
		return nil, 0, anchorhold.Errorf(anchorhold.NotFound, "wait for the first act at the site", "the log has no checkpoint yet")
	}
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if c, good := parseBody(text + "\n"); ok && good {
		return signed, c.Size, nil
	}
	return nil, 0, anchorhold.Errorf(anchorhold.Internal, "run anchorhold audit verify", "the stored checkpoint has the wrong form")
}

// entryBundle encodes the entries of a tile, each after its length.
func entryBundle(r Reader, t tlog.Tile) ([]byte, error) {
	entries, err := r.Entries(t.N*tileWidth, t.W)
	if err != nil {
		return nil, err
	}
	if len(entries) != t.W {
		return nil, missingEntries()
	}
	var out []byte
	for _, e := range entries {
		if len(e) > MaxEntry { // fits in 16 bits by a wide margin
			return nil, missingEntries()
		}
		out = binary.BigEndian.AppendUint16(out, uint16(len(e)))
		out = append(out, e...)
	}
	return out, nil
}

// allTiles lists the tiles of a tree, entries included.
func allTiles(size int64) []tlog.Tile {
	tiles := tlog.NewTiles(tileHeight, 0, size)
	for _, t := range tiles {
		if t.L == 0 {
			t.L = -1
			tiles = append(tiles, t)
		}
	}
	return tiles
}

// Export writes the log as static files below dir: the layout that any C2SP
// client reads. The checkpoint comes last, so that it never promises a tile that
// is not there. Files of an earlier export are replaced.
func Export(r Reader, dir string) error {
	signed, size, err := newest(r)
	if err != nil {
		return err
	}
	for _, t := range allTiles(size) {
		path := tilePath(t)
		data, err := Tile(r, path)
		if err != nil {
			return err
		}
		if err := writeFile(dir, path, data); err != nil {
			return err
		}
	}
	return writeFile(dir, CheckpointPath, signed)
}

func writeFile(dir, path string, data []byte) error {
	full := filepath.Join(dir, filepath.FromSlash(path))
	err := os.MkdirAll(filepath.Dir(full), 0o755)
	if err == nil {
		err = os.WriteFile(full, data, 0o644)
	}
	if err != nil {
		return anchorhold.Errorf(anchorhold.Unavailable, "check that the folder is writable and has space", "the log could not be exported").Because(err)
	}
	return nil
}

// Source fetches a C2SP path of a log to verify; at most limit bytes are
// wanted. A path that does not exist is NotFound.
type Source func(path string, limit int64) ([]byte, error)

// Dir is an exported log in a folder.
func Dir(dir string) Source {
	return func(path string, limit int64) ([]byte, error) {
		full := filepath.Join(dir, filepath.FromSlash(path))
		info, err := os.Stat(full)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, anchorhold.Errorf(anchorhold.NotFound, "export the log anew", "the log lacks the file %s", path)
		}
		if err == nil && (!info.Mode().IsRegular() || info.Size() > limit) {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "export the log anew", "the log's file %s is not what it should be", path)
		}
		var data []byte
		if err == nil {
			data, err = os.ReadFile(full)
		}
		if err != nil {
			return nil, anchorhold.Errorf(anchorhold.Unavailable, "check that the folder can be read", "the log's file %s cannot be read", path).Because(err)
		}
		return data, nil
	}
}

// Stored is a log in a store.
func Stored(r Reader) Source {
	return func(path string, _ int64) ([]byte, error) { return Tile(r, path) }
}
