// Package environment keeps what researchers ask a site to build: environments,
// each named by its lock, so that what is added is what was asked for.
//
// It promises that asking builds, fetches and runs nothing: an owner reads what
// the lock holds, builds it on the site's machine, and only then says that it is
// there. It never takes a lock that package pyenv would not, nor more open
// requests of one person than somebody can read.
package environment

import (
	"context"
	"errors"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

// Limits of what may wait: a lock is kept in the database.
const (
	maxLock = 1 << 20
	maxOpen = 20 // of one person
)

// Service takes and decides requests for environments.
type Service struct {
	Books *books.Books
	Built func(lock string) bool // says whether the site has an environment
}

// New is a request for an environment.
type New struct {
	Lock   string // text
	Reason string
}

// Ask keeps a request. The same lock asked for again by the same person, while
// the first waits, is the same request.
func (s *Service) Ask(ctx context.Context, p policy.Permit, n New) (anchorhold.EnvironmentRequest, error) {
	none := anchorhold.EnvironmentRequest{}
	if len(n.Lock) > maxLock {
		return none, anchorhold.Errorf(anchorhold.TooLarge, "lock fewer packages", "the lock is larger than %d MiB", maxLock>>20)
	}
	l, err := pyenv.ParseLock([]byte(n.Lock))
	if err == nil {
		err = request.CheckText("reason", n.Reason, false)
	}
	if err != nil {
		return none, err
	}
	if s.Built(l.Digest()) {
		return none, anchorhold.Errorf(anchorhold.Conflict, "name it when you submit", "this environment is at the site already")
	}
	who := p.Principal()
	return books.On(ctx, s.Books, p, asked(), func(tx store.Tx) (anchorhold.EnvironmentRequest, books.Record, error) {
		r := anchorhold.EnvironmentRequest{
			ID: anchorhold.NewID(anchorhold.PrefixEnvironment), Lock: l.Digest(), Python: l.Python(), Platform: l.Platform(), Builds: l.Builds(),
			Packages: l.Packages(), Reason: n.Reason, Author: who.ID, AuthorName: who.Name(), State: anchorhold.EnvironmentRequested,
			Created: s.Books.Now(), Text: l.String(),
		}
		open, _, err := tx.ListEnvironmentRequests(store.EnvironmentFilter{Author: who.ID, State: anchorhold.EnvironmentRequested}, store.Page{Limit: maxOpen})
		if err != nil {
			return r, books.Record{}, err
		}
		for _, o := range open {
			if o.Lock == r.Lock {
				return o, books.Record{Subject: o.ID, Digest: o.Lock}, nil
			}
		}
		if len(open) == maxOpen {
			return r, books.Record{}, anchorhold.Errorf(anchorhold.Conflict, "wait for the owner's word on those", "%d environments that you asked for are not decided yet", maxOpen)
		}
		return r, books.Record{Subject: r.ID, Digest: r.Lock}, tx.PutEnvironmentRequest(r)
	})
}

// asked is the kind of what is acted on here.
func asked() books.Kind[anchorhold.EnvironmentRequest] {
	return books.Kind[anchorhold.EnvironmentRequest]{
		Name: func(r anchorhold.EnvironmentRequest) string { return r.ID }, Find: store.Tx.EnvironmentRequest,
	}
}

// Decide says that a request was fulfilled, or will not be. It can be fulfilled
// only by what is built: the yes says what is so.
func (s *Service) Decide(ctx context.Context, p policy.Permit, id string, v anchorhold.Verdict, answer string) (anchorhold.EnvironmentRequest, error) {
	if err := request.CheckText("reason", answer, v == anchorhold.Deny); err != nil {
		return anchorhold.EnvironmentRequest{}, err
	}
	return books.On(ctx, s.Books, p, asked(), func(tx store.Tx) (anchorhold.EnvironmentRequest, books.Record, error) {
		r, err := tx.EnvironmentRequest(id)
		if errors.Is(err, store.ErrNotFound) {
			err = policy.Missing(policy.TypeEnvironment, id)
		}
		if err != nil {
			return r, books.Record{}, err
		}
		switch {
		case r.State != anchorhold.EnvironmentRequested:
			return r, books.Record{}, anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "this request is already %s", r.State)
		case v == anchorhold.Deny:
			r.State = anchorhold.EnvironmentDeclined
		case v == anchorhold.Approve && s.Built(r.Lock):
			r.State = anchorhold.EnvironmentAdded
		case v == anchorhold.Approve:
			return r, books.Record{}, anchorhold.Errorf(anchorhold.Conflict, "build it on the site's machine: anchorhold env add "+id, "the environment is not built yet")
		default:
			return r, books.Record{}, anchorhold.Errorf(anchorhold.Invalid, "say approve or deny", "the verdict is neither approve nor deny")
		}
		now := s.Books.Now()
		r.Answer, r.DeciderName, r.Decided = answer, p.Principal().Name(), &now
		return r, books.Record{Subject: r.ID, Digest: r.Lock, Details: map[string]string{"verdict": string(v), "reason": answer}}, tx.PutEnvironmentRequest(r)
	})
}
