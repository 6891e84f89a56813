// Package bench measures what the design promises in figures: how many durable
// acts a site makes in a second, and, by bench.py beside this file, how long a
// question takes and how much memory a site needs.
//
// It measures the real rooms on a real disk, and holds no figure of its own:
// `make bench` prints them. It must never be imported by another package.
package bench
