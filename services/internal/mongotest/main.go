// Command mongotest is a server that speaks MongoDB's wire protocol, for tests
// on machines that have no MongoDB: FerretDB as a library, with SQLite files in
// the folder named as its argument, which it removes at its end if --remove
// stands before it. It listens at a free port of 127.0.0.1,
// prints its URI on one line, syncs nothing, and ends when its standard input closes, so that
// it never outlives the test that started it.
//
// It is no replica set and has no transactions; it loses concurrent updates when
// a driver's pool is larger than one; and it scans whatever is not looked up by
// a string _id. So clients use one connection and little data.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	if err := serve(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mongotest:", err)
		os.Exit(1)
	}
}

// serve runs until stdin closes.
func serve(args []string, stdin io.Reader, stdout io.Writer) error {
	remove := len(args) == 2 && args[0] == "--remove"
	if remove {
		args = args[1:]
	}
	if len(args) != 1 || !filepath.IsAbs(args[0]) {
		return errors.New("name one folder for its files, absolute, behind --remove if it is to go with the server")
	}
	dir := filepath.Clean(args[0])
	if remove {
		defer os.RemoveAll(dir)
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.DiscardHandler),
		Handler:   "sqlite",
		SQLiteURL: "file:" + dir + "/?_pragma=synchronous(off)",
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	if _, err := fmt.Fprintln(stdout, server.MongoDBURI()); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, stdin); err != nil {
		return err
	}
	stop()
	return <-ended
}
