# Anchorhold. `make` alone lists what can be made.
#
# Everything here works on a fresh Debian machine with Go, Python and root or
# sudo: what is missing is installed or named. What is fetched is pinned and
# kept in .cache, .venv and Go's own caches, so that a second run is quick.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:
MAKEFLAGS   += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

# One set of flags for every use of Go, also by programs that tests start: each
# variation would compile everything once more. The program is pure Go; only the
# race detector and DuckDB's worker need cgo.
export GOFLAGS     := -trimpath -buildvcs=false
export CGO_ENABLED := 0
LDFLAGS            := -s -w -buildid=

# DuckDB's worker alone is linked with a C++ library, statically. Its tag keeps it
# out of `./...`, so that everything else does without a C++ compiler.
WORKER_BUILD := CGO_ENABLED=1 go build -tags duckdb_arrow,netgo,osusergo -ldflags='$(LDFLAGS) -linkmode external -extldflags -static'

GOLANGCI_LINT := .cache/bin/golangci-lint-2.15.0
GOTESTSUM     := .cache/bin/gotestsum-1.13.0
REPORT        := .cache/report
VENV          := .venv
PYTHON        := $(CURDIR)/$(VENV)/bin/python
GO_TEST        = $(GOTESTSUM) --format pkgname-and-test-fails --format-hide-empty-pkg

# The tests use these: the built program and a Python that has the package.
export ANCHORHOLD_TEST_BINARY := $(CURDIR)/bin/anchorhold
export ANCHORHOLD_TEST_DUCKDB := $(CURDIR)/bin/anchorhold-duckdb
export ANCHORHOLD_TEST_PYTHON := $(PYTHON)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH):/usr/local/go/bin

# Packages whose tests gain nothing from the race detector: they read the tree,
# or they only start other programs.
RACE_OMITS := bench internal/house internal/readme internal/wholeway

.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# On a terminal the demonstration stays up to look around, otherwise it ends.
DEMO_FLAGS ?= $(shell [ -t 0 ] || echo --once)

# ---- what people run -------------------------------------------------------

.PHONY: demo
demo: machine build environment ## the whole way of a question on real data; on a terminal it stays up until Ctrl-C
	@if [ -t 1 ]; then bin/anchorhold demo $(DEMO_FLAGS); else bin/anchorhold demo --once $(DEMO_FLAGS); fi

.PHONY: test
test: machine-test build environment report lint vet test-go test-race test-python test-reproducible ## set up, then all tests
	@.ci/tally $(REPORT)

.PHONY: test-all
test-all: test test-noise test-mutants test-accountants test-questions test-cross test-fuzz ## and the longest: many draws of noise, broken builds, other accountants, other platforms, a while of fuzzing

.PHONY: bench
bench: machine-test build environment $(VENV)/ready ## the tables of figures
	$(PYTHON) bench/bench.py

.PHONY: build
build: machine bin/anchorhold-duckdb ## bin/anchorhold with the names under which it starts the sandbox, and its worker
	@mkdir -p bin/gvisor-bin
	@go build -ldflags='$(LDFLAGS)' -o bin/anchorhold.new ./cmd/anchorhold
	@mv bin/anchorhold.new bin/anchorhold
	@ln -f bin/anchorhold bin/gvisor-bin/gvisor_sentry
	@ln -f bin/anchorhold bin/gvisor-bin/gvisor-sentry-prewarmer

# Of the linker we hear only when it fails: it warns of functions that ask for
# accounts and hosts, which a sandbox has none of.
bin/anchorhold-duckdb: go.mod go.sum $(wildcard *.go sandbox/*.go engine/*.go engine/duckdb/worker/*.go engine/duckdb/wire/*.go cmd/anchorhold-duckdb/*.go) | machine
	@mkdir -p bin .cache
	@$(WORKER_BUILD) -o $@.new ./cmd/anchorhold-duckdb 2>.cache/worker.log || { cat .cache/worker.log; exit 1; }
	@mv $@.new $@

.PHONY: clean
clean: ## remove what was built and fetched here (Go's caches stay)
	rm -rf bin .cache $(VENV)

# ---- set-up ----------------------------------------------------------------

.PHONY: machine machine-test
machine:
	@.ci/machine build
machine-test:
	@.ci/machine test

# uv is taken by pip and its hash; everything else by uv, which is quicker.
$(VENV)/tools: .ci/tools.lock | machine
	@mkdir -p .cache
	/usr/bin/python3 -m venv --clear $(VENV)
	awk '/^[a-z]/ { uv = /^uv==/ } uv' .ci/tools.lock > .cache/uv.lock
	$(PYTHON) -m pip install --quiet --require-hashes --no-deps -r .cache/uv.lock
	$(VENV)/bin/uv pip install --quiet --python $(PYTHON) --require-hashes --no-deps -r .ci/tools.lock
	@touch $@

# The package's metadata is read again when it changes; its code is used in place.
$(VENV)/ready: $(VENV)/tools sdk/python/pyproject.toml
	$(VENV)/bin/uv pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation --editable sdk/python
	@touch $@

# The libraries that code at a site may use, where every site of this machine
# finds them. At once done when they are there.
.PHONY: environment
environment: build $(VENV)/tools
	@bin/anchorhold env add

.PHONY: tools-lock
tools-lock: $(VENV)/tools ## pin what .ci/tools.in and .ci/oracles.in name
	$(VENV)/bin/uv pip compile --quiet --upgrade --generate-hashes --universal --no-header --no-annotate \
	  --python-version 3.11 .ci/tools.in -o .ci/tools.lock
	$(VENV)/bin/uv pip compile --quiet --upgrade --generate-hashes --universal --no-header --no-annotate \
	  --python-version 3.11 .ci/oracles.in -o .ci/oracles.lock

# go_tool PATH@VERSION NAME: a tool of the Go world under a name that holds its version.
define go_tool
	@mkdir -p .cache/bin
	GOBIN=$(CURDIR)/.cache/bin go install $(1)
	@mv .cache/bin/$(2) $@
endef

$(GOLANGCI_LINT):
	$(call go_tool,github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0,golangci-lint)

$(GOTESTSUM):
	$(call go_tool,gotest.tools/gotestsum@v1.13.0,gotestsum)

.PHONY: report
report:
	@rm -rf $(REPORT)
	@mkdir -p $(REPORT)

# ---- parts of the tests ----------------------------------------------------

.PHONY: lint
lint: $(GOLANGCI_LINT) $(VENV)/ready ## style and likely mistakes, in Go and in Python
	$(GOLANGCI_LINT) run ./...
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/ruff format --quiet --check .
	cd sdk/python && $(PYTHON) -m mypy --strict --no-error-summary --cache-dir $(CURDIR)/.cache/mypy
	$(PYTHON) -m mypy --strict --no-error-summary --cache-dir .cache/mypy bench .ci/tally

.PHONY: format
format: $(GOLANGCI_LINT) $(VENV)/ready ## write Go and Python files in the one form
	$(GOLANGCI_LINT) fmt
	$(VENV)/bin/ruff format .

.PHONY: vet
vet:
	go vet ./...

.PHONY: test-go
test-go: $(GOTESTSUM) $(VENV)/ready environment ## the Go tests, the README's blocks among them
	@mkdir -p $(REPORT)
	$(GO_TEST) --jsonfile $(REPORT)/go.json -- -count=1 -p 2 -vet=off -timeout 60m ./...

# The sandbox does not start from a program built with the race detector, and
# gVisor would be compiled once more: every package whose test does not link it
# is run, found by asking Go.
.PHONY: test-race
test-race: $(GOTESTSUM) ## the Go tests once more under the race detector, where gVisor is not linked
	@mkdir -p $(REPORT)
	@if ! command -v gcc >/dev/null; then echo 'left out: the race detector needs gcc'; exit 0; fi; \
	list=$$(go list -test -f '{{.ImportPath}}{{range .Deps}} {{.}}{{end}}' ./... | \
	  awk '$$1 ~ /\.test$$/ && !/ gvisor\.dev\// { sub(/\.test$$/, "", $$1); print $$1 }' | \
	  grep -v -x -F $(RACE_OMITS:%=-e github.com/anchorhold/anchorhold/%)); \
	CGO_ENABLED=1 $(GO_TEST) --jsonfile $(REPORT)/race.json -- -count=1 -race -p 2 -vet=off -timeout 60m $$list

.PHONY: test-python
test-python: $(VENV)/ready environment ## the Python package's tests
	@mkdir -p $(REPORT)
	cd sdk/python && $(PYTHON) -m pytest -q --junitxml $(CURDIR)/$(REPORT)/python.xml

.PHONY: test-reproducible
test-reproducible: build ## two builds in two folders give the same bytes
	.ci/reproducible '$(LDFLAGS)' "$(WORKER_BUILD)"

.PHONY: test-cross
test-cross: ## the program compiles for the platforms that researchers use
	GOOS=linux  GOARCH=arm64 go build -o /dev/null ./cmd/anchorhold
	GOOS=darwin GOARCH=arm64 go build -o /dev/null ./cmd/anchorhold
	GOOS=windows GOARCH=amd64 go build -o /dev/null ./cmd/anchorhold

.PHONY: test-noise
test-noise: bin/anchorhold-duckdb ## two million draws of each kind of noise, against its distribution and by an audit; a million answers to whole questions
	ANCHORHOLD_DP_DRAWS=2000000 go test -count=1 -vet=off -timeout 30m -run 'Audit|Frequenc|LargeScales|Looks' ./dp ./dp/internal/sample
	ANCHORHOLD_DP_DRAWS=1000000 go test -count=1 -vet=off -timeout 2h -run 'TestAttack|TestIntervals|TestRealTimes' ./question

.PHONY: test-mutants
test-mutants: bin/anchorhold-duckdb ## each attack on answers against a build that is open to it, where it has to succeed
	go vet -tags mutants ./internal/mutants
	go test -tags mutants -count=1 -vet=off -timeout 2h -run TestEveryMutantIsFound ./internal/mutants

.PHONY: test-questions
test-questions: build ## two thousand random questions over wicked rows, in DuckDB and in PostgreSQL
	ANCHORHOLD_QUESTIONS=2000 go test -count=1 -vet=off -timeout 60m -run 'Random|PartialsAnswer' ./dp/query

# Other people's accountants live apart from what the tests need: they bring a
# NumPy of their own.
ORACLES := .cache/oracles
$(ORACLES)/ready: .ci/oracles.lock $(VENV)/tools
	$(VENV)/bin/uv venv --quiet --clear --python /usr/bin/python3 $(ORACLES)
	$(VENV)/bin/uv pip install --quiet --python $(ORACLES)/bin/python --require-hashes --no-deps -r .ci/oracles.lock
	@touch $@

.PHONY: test-accountants
test-accountants: build $(ORACLES)/ready ## random plans, bounded by us, by dp_accounting and by OpenDP
	$(ORACLES)/bin/python .ci/accountants bin/anchorhold

FUZZ_TIME ?= 20s
.PHONY: test-fuzz
test-fuzz: ## each fuzz target for FUZZ_TIME (20s)
	@grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n 1 dirname | sort -u | while read -r dir; do \
	  for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go | cut -c 6-); do \
	    go test -vet=off -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZ_TIME) $$dir; \
	  done; \
	done
