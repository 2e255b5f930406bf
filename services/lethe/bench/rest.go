package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

const (
	// restPeople have one ticket each.
	restPeople = 300
	// restRounds is how often Lethe and the floor take turns.
	restRounds  = 6
	restClients = 8
)

// restReads compares reads over REST with a bare net/http handler on a store of
// the same kind with documents of the same size.
func restReads(ctx context.Context, t *table, dir string) error {
	s, at, err := startSuite(ctx, filepath.Join(dir, "desk"))
	if err != nil {
		return err
	}
	defer func() { _ = stopSuite(s) }()
	contacts, err := readers(ctx, at.HTTP)
	if err != nil {
		return err
	}
	bare, err := openStore(ctx, dir)
	if err != nil {
		return err
	}
	defer bare.close()
	err = inParallel(restPeople, 16, func(i int) error { return bare.sealed.Insert(ctx, ring.Write, values(int64(i+1), int64(i+1))) })
	if err != nil {
		return err
	}
	l, err := listen(ctx)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: bare, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	desk := strings.TrimPrefix(at.HTTP, "http://")
	one := func(i int) string { return "/api/v2/contacts/" + strconv.FormatInt(contacts[i%len(contacts)], 10) }
	bareOne := func(i int) string { return fmt.Sprint("/one/", i%restPeople+1) }
	list := func(path string) func(int) string { return func(int) string { return path } }
	for _, m := range []struct {
		work      string
		n         int
		path, off func(int) string
		goal      bool
	}{
		{"GET one contact over REST: rate to a bare handler", 4000, one, bareOne, true},
		{"GET 30 contacts over REST: rate to a bare handler", 800, list("/api/v2/contacts?per_page=30"), list("/page"), false},
		{"GET 30 tickets over REST: rate to a bare handler", 800, list("/api/v2/tickets?per_page=30"), list("/page"), false},
	} {
		got, floor, err := turns(ctx, desk, l.Addr().String(), m.n, m.path, m.off)
		if err != nil {
			return err
		}
		rates := fmt.Sprintf("%.0f/s, bare handler %.0f/s", got, floor)
		if m.goal {
			t.atLeast(m.work, 0.5, got/floor, "", rates)
		} else {
			t.note(m.work, got/floor, "", rates)
		}
	}
	return nil
}

// turns reads n paths of Lethe and of the floor in turn and returns their rates.
func turns(ctx context.Context, desk, bare string, n int, path, off func(int) string) (got, floor float64, err error) {
	var took, base time.Duration
	for round := range restRounds + 1 {
		one, err := hammer(ctx, bare, n, off)
		if err != nil {
			return 0, 0, err
		}
		two, err := hammer(ctx, desk, n, path)
		if err != nil {
			return 0, 0, err
		}
		if round > 0 { // the first round warms both
			base, took = base+one, took+two
		}
	}
	total := float64(n * restRounds)
	return total / took.Seconds(), total / base.Seconds(), nil
}

// hammer makes n GET requests over a few kept connections. It writes and reads
// them itself: a client with comforts would cost as much as the server.
func hammer(ctx context.Context, addr string, n int, path func(int) string) (time.Duration, error) {
	key := base64.StdEncoding.EncodeToString([]byte(benchKey + ":X"))
	began := time.Now()
	err := inParallel(restClients, restClients, func(client int) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for i := client; i < n; i += restClients {
			fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic %s\r\n\r\n", path(i), key)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, res.Body)
			if err == nil && res.StatusCode != http.StatusOK {
				err = fmt.Errorf("GET %s: status %d", path(i), res.StatusCode)
			}
			if err = errors.Join(err, res.Body.Close()); err != nil {
				return err
			}
		}
		return nil
	})
	return time.Since(began), err
}

// ServeHTTP is the bare handler: one document by its id, or a page of 30.
func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var out any
	var err error
	if r.URL.Path == "/page" {
		var page docstore.Page[bareDoc]
		page, err = s.sealed.Find(r.Context(), ring.Read, 1, docstore.Query{Index: "id", Limit: pageSize})
		out = page.Items
	} else {
		id, _ := strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/one/"), 10, 64)
		out, err = s.sealed.Get(r.Context(), ring.Read, 1, id)
	}
	if err != nil {
		http.Error(w, "not there", http.StatusNotFound)
		return
	}
	var b bytes.Buffer
	_ = json.NewEncoder(&b).Encode(out)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b.Bytes())
}
