package catalog

import (
	"strconv"
	"strings"

	"github.com/anchorhold/anchorhold"
)

// maxKeys bounds the values of one table that are remembered to find keys, some 40
// bytes each. A longer table's keys have to be stated.
const maxKeys = 1 << 17

// keyFinder finds whether a column has a value of its own in each row, and
// remembers its values by their hashes.
type keyFinder struct {
	seen     map[uint64]struct{} // nil once there are too many, or no key would be of such values
	repeated bool
}

// add notes a value, and says whether it is one more to remember.
func (k *keyFinder) add(c Cell) bool {
	if k.seen == nil {
		return false
	}
	text := c.Text
	if text == "" && c.Kind == CellInt {
		text = strconv.FormatInt(c.Int, 10)
	}
	if c.Kind != CellInt && c.Kind != CellText || len(text) > maxCategoryText {
		k.seen = nil
		return false
	}
	h := fnv64(text)
	if _, known := k.seen[h]; known {
		k.repeated = true
		return false
	}
	k.seen[h] = struct{}{}
	return true
}

// forgetLongest gives up the column with the most values.
func (f *factCounter) forgetLongest() {
	longest, all := 0, 0
	for i := range f.cols {
		all += len(f.cols[i].keys.seen)
		if len(f.cols[i].keys.seen) > len(f.cols[longest].keys.seen) {
			longest = i
		}
	}
	f.room = f.most - all + len(f.cols[longest].keys.seen)
	f.cols[longest].keys.seen = nil
}

// fnv64 is FNV-1a of a text; hash/fnv would allocate for each cell.
func fnv64(text string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}

// unique says whether no value came twice.
func (k *keyFinder) unique() bool { return len(k.seen) > 0 && !k.repeated }

// Of is the proposal for one asset of a dataset.
type Of struct {
	Asset    string
	Proposal *Proposal
}

// FindReferences adds to proposals which columns refer to the key of another
// asset: each of their values is one of its, and their names say so. (That small
// numbers are among others is no sign of anything.)
func FindReferences(all []Of) {
	for _, child := range all {
		for i, c := range child.Proposal.Columns {
			for _, parent := range all {
				if ref := child.refersTo(i, parent); ref != "" {
					c.Facts = append(c.Facts, measured(anchorhold.FactReferences, ref))
					child.Proposal.Columns[i] = c
					break
				}
			}
		}
	}
}

// refersTo gives the key of a parent that a column refers to, or nothing.
func (o Of) refersTo(column int, parent Of) string {
	c := o.Proposal.Columns[column]
	mine := o.Proposal.keys[column]
	if parent.Asset == o.Asset || mine.seen == nil || len(mine.seen) == 0 {
		return ""
	}
	for j, p := range parent.Proposal.Columns {
		keys := parent.Proposal.keys[j]
		if p.Type == c.Type && keys.unique() && namesKey(c.Name, parent.Asset, p.Name) && within(mine.seen, keys.seen) {
			return parent.Asset + "." + p.Name
		}
	}
	return ""
}

func within(small, large map[uint64]struct{}) bool {
	for h := range small {
		if _, ok := large[h]; !ok {
			return false
		}
	}
	return true
}

// namesKey says whether a column is named like one that refers to a key: as it,
// or as its table, or as both.
func namesKey(column, asset, key string) bool {
	column, asset, key = bare(column), bare(asset), bare(key)
	if column == key {
		return true
	}
	for _, table := range []string{asset, strings.TrimSuffix(asset, "s"), strings.TrimSuffix(asset, "es")} {
		if column == table || column == table+key || column == table+"id" {
			return true
		}
	}
	return false
}

func bare(name string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(strings.ToLower(name))
}
