package client

import (
	"context"
	"iter"
	"net/url"
	"strconv"

	"github.com/anchorhold/anchorhold"
)

// pageSize is how many items a client asks for at a time, unless they are so
// large that fewer fit into an answer.
const pageSize = 200

// page is one part of a list.
type page[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next"`
}

// pages walks a list to its end, page by page. It stops with an error when the
// site repeats a cursor, since the list would never end.
func pages[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		q := url.Values{}
		for k, v := range query {
			q[k] = v
		}
		seen := map[string]bool{}
		for limit := pageSize; ; {
			q.Set("limit", strconv.Itoa(limit))
			p, err := get[page[T]](ctx, c, path, q)
			if limit > 1 && anchorhold.KindOf(err) == anchorhold.TooLarge {
				limit = max(limit/8, 1)
				continue
			}
			if err != nil {
				yield(zero, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
			}
			if p.Next == nil || *p.Next == "" {
				return
			}
			if seen[*p.Next] {
				yield(zero, anchorhold.Errorf(anchorhold.Internal, "tell the site's owner", "the site's list repeats itself"))
				return
			}
			seen[*p.Next] = true
			q.Set("cursor", *p.Next)
		}
	}
}

// Collect gathers up to limit items of a list; 0 means all of them. It never
// returns a nil slice without an error, so that an empty list is [] in JSON.
func Collect[T any](list iter.Seq2[T, error], limit int) ([]T, error) {
	items := []T{}
	for item, err := range list {
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		if len(items) == limit {
			break
		}
	}
	return items, nil
}

// segment escapes one part of a path. A part that is empty or made of dots
// would name another operation, and becomes one that names nothing.
func segment(s string) string {
	if s == "" || s == "." || s == ".." {
		return "%00"
	}
	return url.PathEscape(s)
}

// filter builds a query from pairs, leaving empty values out.
func filter(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}
