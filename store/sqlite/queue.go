package sqlite

import (
	"database/sql"
	"errors"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// day numbers the days on which quotas count, in UTC.
func day(at time.Time) int64 { return at.Unix() / int64(24*time.Hour/time.Second) }

// halted says of a run x that it is of a request over a dataset that is not open.
const halted = `EXISTS (SELECT 1 FROM request_asset a JOIN dataset d ON d.name = a.dataset WHERE a.request = x.request AND d.state <> '')`

// waitingGroups are the queued runs of one author with one priority on one side:
// the first of them, and how many. Authors who have used up their processor time
// of the day are left out, and so are runs over datasets that are not open.
const waitingGroups = `SELECT w.side, w.priority, w.author, MIN(w.seq) AS first, COUNT(*) AS n, COALESCE(t.turn, 0) AS turn
	FROM run w LEFT JOIN turn t ON t.author = w.author
	WHERE w.state = 'queued' AND w.seq NOT IN (SELECT x.seq FROM run x WHERE x.state = 'queued' AND ` + halted + `) AND NOT EXISTS (
	  SELECT 1 FROM spent s, quota q WHERE s.author = w.author AND s.day = ? AND q.cpu_seconds > 0 AND s.cpu_seconds >= q.cpu_seconds
	  AND q.author = COALESCE((SELECT o.author FROM quota o WHERE o.author = w.author), ''))
	GROUP BY w.side, w.priority, w.author`

// nextRun finds the run to be claimed next: one whose claimant is lost, for it has
// had its turn; else of private runs before trials, of the highest priority, of
// the author whose last turn is longest ago, the oldest.
const nextRun = `SELECT id FROM run WHERE seq = COALESCE(
	(SELECT MIN(x.seq) FROM run x WHERE x.state IN ('running', 'checking') AND x.lease < ? AND NOT ` + halted + `),
	(SELECT first FROM (` + waitingGroups + `) ORDER BY side, priority DESC, turn, first LIMIT 1))`

func (t *tx) nextRun(now time.Time) (id string, err error) {
	err = t.scan(nextRun, []any{now.UnixNano(), day(now)}, &id)
	return id, err
}

func (t *tx) RunWaiting(now time.Time) (bool, error) {
	_, err := t.nextRun(now)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (t *tx) ClaimRun(claimant string, now, lease time.Time) (r anchorhold.Run, err error) {
	id, err := t.nextRun(now)
	if err != nil {
		return r, err
	}
	if r, err = t.Run(id); err != nil {
		return r, err
	}
	r.State, r.Attempt, r.Started = anchorhold.RunRunning, r.Attempt+1, &now
	if err := t.PutRun(r); err != nil {
		return r, err
	}
	if err := t.exec(`INSERT INTO turn(author, turn) SELECT author, (SELECT COALESCE(MAX(turn), 0) + 1 FROM turn) FROM run WHERE id = ?
		ON CONFLICT(author) DO UPDATE SET turn = excluded.turn`, id); err != nil {
		return r, err
	}
	return r, t.exec("UPDATE run SET claimant = ?, lease = ? WHERE id = ?", claimant, lease.UnixNano(), id)
}

// RunsAhead plays the rounds that come before a run: everything of another side
// or a higher priority, and of each other author as many as there are rounds
// until then.
func (t *tx) RunsAhead(id string, now time.Time) (ahead int, err error) {
	var side, author string
	var priority, seq, turn, mine int
	err = t.scan(`SELECT r.side, r.priority, r.author, r.seq, COALESCE(t.turn, 0),
		(SELECT COUNT(*) FROM run e WHERE e.state = 'queued' AND e.side = r.side AND e.priority = r.priority AND e.author = r.author AND e.seq < r.seq)
		FROM run r LEFT JOIN turn t ON t.author = r.author WHERE r.id = ? AND r.state = 'queued'`, []any{id}, &side, &priority, &author, &seq, &turn, &mine)
	if err != nil {
		return 0, err
	}
	ahead = mine
	err = t.each(waitingGroups, []any{day(now)}, func(rows *sql.Rows) error {
		var g struct {
			side, author             string
			priority, first, n, turn int
		}
		if err := rows.Scan(&g.side, &g.priority, &g.author, &g.first, &g.n, &g.turn); err != nil {
			return err
		}
		switch {
		case g.side < side || g.side == side && g.priority > priority:
			ahead += g.n
		case g.side == side && g.priority == priority && g.author != author:
			rounds := mine
			if g.turn < turn || g.turn == turn && g.first < seq {
				rounds++
			}
			ahead += min(g.n, rounds)
		}
		return nil
	})
	return ahead, err
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
