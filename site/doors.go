package site

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"

	"github.com/anchorhold/anchorhold/api"
)

// doors are where a site can be reached.
type doors struct {
	url  string
	open []door
}

type door struct {
	listener net.Listener
	server   *http.Server
}

func (d *doors) add(l net.Listener, s *http.Server) { d.open = append(d.open, door{l, s}) }

func (d *doors) close() error {
	var err error
	for _, one := range d.open {
		err = errors.Join(err, one.listener.Close())
	}
	return err
}

// openDoors opens the door for others, the one for programs on this machine,
// and where wanted the one for who watches over it.
func (s *Site) openDoors(ctx context.Context, o ServeOptions) (d *doors, err error) {
	d = &doors{}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	var meter api.Meter
	if o.Metrics != "" {
		l, err := listenMetrics(o.Metrics)
		if err != nil {
			return d, err
		}
		m := s.newMetrics()
		meter = m
		d.add(l, server(m.Handler(), o.Log))
	}
	if o.Limits == (api.Limits{}) {
		o.Limits = api.DefaultLimits()
	}
	s.api.Observe(o.Limits, meter, o.Log)
	l, url, err := s.listen(ctx, o)
	if err != nil {
		return d, err
	}
	d.url = url
	d.add(l, server(s.tellingPins(s.Handler()), o.Log))
	local, err := s.listenLocal()
	if err != nil {
		return d, err
	}
	onMachine := server(s.api.LocalHandler(peerUID), o.Log)
	onMachine.ConnContext = withPeer
	d.add(local, onMachine)
	return d, nil
}

// server answers at one door. What net/http has to say (broken handshakes)
// goes into the log in its own form, where somebody wants that much.
func server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
