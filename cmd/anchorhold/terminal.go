package main

import (
	"bufio"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

// isTerminal says whether a stream is a person's terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// confirm asks a person at a terminal; without one the answer is no.
func (a *app) confirm(question string) bool {
	if !isTerminal(a.in) || !isTerminal(a.err) {
		return false
	}
	show.NewPrinter(a.err).Printf("%s [y/N] ", question)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return err == nil && (answer == "y" || answer == "yes")
}

// readSecret reads a secret from standard input: unseen from a terminal, else
// its first line.
func (a *app) readSecret(prompt string) (string, error) {
	if f, ok := a.in.(*os.File); ok && isTerminal(f) {
		show.NewPrinter(a.err).Printf("%s", prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		show.NewPrinter(a.err).Printf("\n")
		return strings.TrimSpace(string(b)), err
	}
	line, err := bufio.NewReader(io.LimitReader(a.in, 64<<10)).ReadString('\n')
	if err == io.EOF {
		err = nil
	}
	return strings.TrimSpace(line), err
}

// progress shows what goes on, on a terminal only, in one line that it keeps
// up to date with the time since it began.
type progress struct {
	out  io.Writer // nil where nobody watches
	mu   sync.Mutex
	text string
	from time.Time
	stop chan struct{}
	done sync.WaitGroup
}

// watch begins to show progress; the caller ends it.
func (a *app) watch(text string) *progress {
	p := &progress{text: text, from: time.Now(), stop: make(chan struct{})}
	if a.json || !isTerminal(a.err) {
		return p
	}
	p.out = a.err
	p.draw()
	p.done.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.draw()
			case <-p.stop:
				return
			}
		}
	})
	return p
}

// step says what goes on now.
func (p *progress) step(text string) {
	p.mu.Lock()
	p.text = text
	p.mu.Unlock()
	if p.out != nil {
		p.draw()
	}
}

func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(show.Cut(show.One(p.text), 100) + " … " + time.Since(p.from).Round(time.Second).String())
}

// put replaces the line: carriage return, then "erase to the end".
func (p *progress) put(line string) {
	io.WriteString(p.out, "\r\x1b[K"+line) //nolint:errcheck // progress that nobody sees any more
}

// end takes the line away.
func (p *progress) end() {
	close(p.stop)
	p.done.Wait()
	if p.out != nil {
		p.put("")
	}
}
