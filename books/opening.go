package books

import (
	"slices"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/store"
)

// Opening proves that the log has an entry that a receipt points to, as the log
// is now. It lies in the present log, or in that of an earlier origin, from before
// the site was restored: the keys that signed the receipt say which.
func (b *Books) Opening(tx store.Tx, present keys.VKey, signers []string, index int64) (audit.Opening, error) {
	if slices.Contains(signers, present.ID()) {
		return b.Log.OpeningOf(tx, index)
	}
	past, err := tx.PastLogs()
	if err != nil {
		return audit.Opening{}, err
	}
	for _, l := range past {
		key, err := keys.ParseVKey(l.Key)
		if err != nil {
			return audit.Opening{}, err
		}
		if !slices.Contains(signers, key.ID()) {
			continue
		}
		_, entries, err := tx.PastLog(l.Origin)
		if err != nil {
			return audit.Opening{}, err
		}
		return b.Log.Past(l.Origin).OpeningOf(entries, index)
	}
	return audit.Opening{}, anchorhold.Errorf(anchorhold.Internal, "run anchorhold audit verify", "the receipt is signed by no key that this site has or had")
}
