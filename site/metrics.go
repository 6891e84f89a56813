package site

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics counts what the site does, for who watches over the machine. Any
// account of the machine can read them, so they hold no name, no id and no size
// of anything; docs/metrics.md lists them all, and a test compares.
type metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  prometheus.Histogram
	limited  *prometheus.CounterVec
	waiting  prometheus.Gauge
}

func (s *Site) newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "anchorhold_calls_total", Help: "Calls of the HTTP API that were answered, by operation and status.",
		}, []string{"operation", "status"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "anchorhold_call_seconds", Help: "Time to answer a call that did not ask to wait for a change.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10},
		}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "anchorhold_limited_total", Help: "Calls that were turned away for being too many: of a person, of an address, or waiting.",
		}, []string{"why"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "anchorhold_waits", Help: "Calls that wait for a change of state.",
		}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "anchorhold_info", Help: "Always 1; the program's version is its label.", ConstLabels: prometheus.Labels{"version": anchorhold.ProgramVersion},
	})
	info.Set(1)
	m.registry.MustRegister(m.calls, m.seconds, m.limited, m.waiting, info, s.figures(),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Called implements api.Meter.
func (m *metrics) Called(operation string, status int, took time.Duration, waited bool) {
	m.calls.WithLabelValues(operation, strconv.Itoa(status)).Inc()
	if !waited {
		m.seconds.Observe(took.Seconds())
	}
}

// Limited implements api.Meter.
func (m *metrics) Limited(why string) { m.limited.WithLabelValues(why).Inc() }

// Waiting implements api.Meter.
func (m *metrics) Waiting(change int) { m.waiting.Add(float64(change)) }

// figures asks the store at each look.
func (s *Site) figures() prometheus.Collector {
	return &figures{
		site:    s,
		runs:    prometheus.NewDesc("anchorhold_runs", "Runs that wait or go on.", []string{"state"}, nil),
		held:    prometheus.NewDesc("anchorhold_held_outputs", "Outputs that wait for somebody's decision.", nil, nil),
		entries: prometheus.NewDesc("anchorhold_log_entries", "Entries of the audit log.", nil, nil),
	}
}

type figures struct {
	site                *Site
	runs, held, entries *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (f *figures) Describe(to chan<- *prometheus.Desc) {
	to <- f.runs
	to <- f.held
	to <- f.entries
}

// Collect implements prometheus.Collector.
func (f *figures) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	var n store.Figures
	var entries int64
	err := f.site.store.View(ctx, func(tx store.Tx) (err error) {
		if n, err = tx.Figures(); err == nil {
			entries, err = tx.Size()
		}
		return err
	})
	if err != nil {
		to <- prometheus.NewInvalidMetric(f.runs, anchorhold.Errorf(anchorhold.Unavailable, "", "the books cannot be read"))
		return
	}
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	gauge(f.runs, n.Queued, "queued")
	gauge(f.runs, n.Running, "running")
	gauge(f.held, n.Held)
	gauge(f.entries, entries)
}

// listenMetrics opens the door for who watches over the machine: on loopback,
// since it asks for no credential.
func listenMetrics(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil || !loopback(host) {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "write it like 127.0.0.1:9440, and fetch from elsewhere through a tunnel",
			"metrics are for this machine only, and %q is not an address of its own", address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Unavailable, "choose another --metrics address, or stop what uses it", "the site cannot show metrics on %s", address).Because(err)
	}
	return l, nil
}

// Handler answers GET /metrics.
func (m *metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
