package sqlite

import (
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// day numbers the days on which quotas count, in UTC.
func day(at time.Time) int64 { return at.Unix() / int64(24*time.Hour/time.Second) }

// halted says of a run x that it is of a request over a dataset that is not open.
const halted = `EXISTS (SELECT 1 FROM request_asset a JOIN dataset d ON d.name = a.dataset WHERE a.request = x.request AND d.state <> '')`

// inLine are the queued runs w with their place's reasons: trials last, higher
// priorities of a run first, then those of its datasets, of which the lowest
// counts, then whose author's turn is longest ago. Runs of authors who have used
// up their processor time of the day are left out, and so are those over datasets
// that are not open.
const inLine = `SELECT w.id, w.seq, w.side = 'mock' AS trial, w.priority, w.author, COALESCE(t.turn, 0) AS turn,
	COALESCE((SELECT MIN(d.priority) FROM request_asset a JOIN dataset d ON d.name = a.dataset WHERE a.request = w.request), 0) AS offered
	FROM run w LEFT JOIN turn t ON t.author = w.author
	WHERE w.state = 'queued' AND w.seq NOT IN (SELECT x.seq FROM run x WHERE x.state = 'queued' AND ` + halted + `) AND NOT EXISTS (
	  SELECT 1 FROM spent s, quota q WHERE s.author = w.author AND s.day = ? AND q.cpu_seconds > 0 AND s.cpu_seconds >= q.cpu_seconds
	  AND q.author = COALESCE((SELECT o.author FROM quota o WHERE o.author = w.author), ''))
	ORDER BY trial, w.priority DESC, offered DESC, turn, w.seq`

// nextRun finds the run to be claimed next: one whose claimant is lost, for it has
// had its turn; else the first in line.
const nextRun = `SELECT id, side FROM run WHERE seq = COALESCE(
	(SELECT MIN(x.seq) FROM run x WHERE x.state IN ('running', 'checking') AND x.lease < ? AND NOT ` + halted + `),
	(SELECT seq FROM (` + inLine + `) LIMIT 1))`

func (t *tx) nextRun(now time.Time) (id string, side anchorhold.Side, err error) {
	err = t.scan(nextRun, []any{now.UnixNano(), day(now)}, &id, &side)
	return id, side, err
}

func (t *tx) RunWaiting(now time.Time) (side anchorhold.Side, waiting bool, err error) {
	_, side, err = t.nextRun(now)
	if errors.Is(err, store.ErrNotFound) {
		return "", false, nil
	}
	return side, err == nil, err
}

func (t *tx) ClaimRun(claimant string, now, lease time.Time) (r anchorhold.Run, err error) {
	id, _, err := t.nextRun(now)
	if err != nil {
		return r, err
	}
	if r, err = t.Run(id); err != nil {
		return r, err
	}
	r.State, r.Attempt = anchorhold.RunRunning, r.Attempt+1
	if r.Started == nil || r.Side != anchorhold.SideMock { // a trial that gave way began when it began
		r.Started = &now
	}
	if err := t.PutRun(r); err != nil {
		return r, err
	}
	if err := t.exec(`INSERT INTO turn(author, turn) SELECT author, (SELECT COALESCE(MAX(turn), 0) + 1 FROM turn) FROM run WHERE id = ?
		ON CONFLICT(author) DO UPDATE SET turn = excluded.turn`, id); err != nil {
		return r, err
	}
	return r, t.exec("UPDATE run SET claimant = ?, lease = ? WHERE id = ?", claimant, lease.UnixNano(), id)
}

// group are runs in line that differ in nothing but author and age, and their
// authors as they come.
type group struct {
	of      [3]int // trial, priority, offered
	authors []string
	runs    map[string][]string
}

func (t *tx) QueueOrder(now time.Time) (ids []string, err error) {
	var groups []*group
	err = t.each(inLine, []any{day(now)}, func(rows *sql.Rows) error {
		var id, author string
		var seq, turn int
		var of [3]int
		if err := rows.Scan(&id, &seq, &of[0], &of[1], &author, &turn, &of[2]); err != nil {
			return err
		}
		if len(groups) == 0 || groups[len(groups)-1].of != of {
			groups = append(groups, &group{of: of, runs: map[string][]string{}})
		}
		g := groups[len(groups)-1]
		if g.runs[author] == nil {
			g.authors = append(g.authors, author)
		}
		g.runs[author] = append(g.runs[author], id)
		return nil
	})
	later := map[string]int{} // authors who have had a turn in what comes before, by when
	for _, g := range groups {
		ids = g.rounds(ids, later)
	}
	return ids, err
}

// rounds appends the runs of a group: of each author in turn the oldest.
func (g *group) rounds(ids []string, later map[string]int) []string {
	// Who had a turn before the group's first comes after all who had not.
	slices.SortStableFunc(g.authors, func(a, b string) int { return later[a] - later[b] })
	for left := len(g.authors); left > 0; {
		left = 0
		for _, author := range g.authors {
			runs := g.runs[author]
			if len(runs) == 0 {
				continue
			}
			ids = append(ids, runs[0])
			later[author] = len(ids)
			if g.runs[author] = runs[1:]; len(runs) > 1 {
				left++
			}
		}
	}
	return ids
}

func (t *tx) CountRuns(state anchorhold.RunState) (n int, err error) {
	err = t.scan("SELECT COUNT(*) FROM run WHERE state = ?", []any{state}, &n)
	return n, err
}

func (t *tx) Prioritize(run string, priority int) error {
	r, err := t.Run(run)
	if err != nil {
		return err
	}
	r.Priority = priority
	return t.PutRun(r)
}

func (t *tx) CountQueued(author string) (n int, err error) {
	err = t.scan("SELECT COUNT(*) FROM run WHERE state IN ('queued', 'running', 'checking') AND side = '' AND author = ?", []any{author}, &n)
	return n, err
}

func (t *tx) Spend(run string, at time.Time, cpuSeconds float64) error {
	return t.exec(`INSERT INTO spent(author, day, cpu_seconds) SELECT author, ?, ? FROM run WHERE id = ?
		ON CONFLICT(author, day) DO UPDATE SET cpu_seconds = cpu_seconds + excluded.cpu_seconds`, day(at), cpuSeconds, run)
}

func (t *tx) Spent(author string, at time.Time) (cpuSeconds float64, err error) {
	err = t.scan("SELECT COALESCE((SELECT cpu_seconds FROM spent WHERE author = ? AND day = ?), 0)", []any{author, day(at)}, &cpuSeconds)
	return cpuSeconds, err
}

func (t *tx) PutQuota(author string, q anchorhold.Quota) error {
	if q == (anchorhold.Quota{}) && author != "" {
		return t.exec("DELETE FROM quota WHERE author = ?", author)
	}
	return t.exec(`INSERT INTO quota(author, queued, cpu_seconds) VALUES (?, ?, ?)
		ON CONFLICT(author) DO UPDATE SET queued = excluded.queued, cpu_seconds = excluded.cpu_seconds`, author, q.Queued, q.CPUSeconds)
}

func (t *tx) Quota(author string) (q anchorhold.Quota, err error) {
	err = t.scan("SELECT queued, cpu_seconds FROM quota WHERE author IN (?, '') ORDER BY author DESC LIMIT 1", []any{author}, &q.Queued, &q.CPUSeconds)
	if errors.Is(err, store.ErrNotFound) {
		return anchorhold.Quota{}, nil
	}
	return q, err
}
