package main

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// pagesTouched counts every page that any SQLite connection of this process has
// asked its cache for, found there or not.
var pagesTouched atomic.Int64

// fetchPage is the cache's own function; methods and counted are what SQLite
// calls instead, and must stay where they are.
var (
	fetchPage func(tls *libc.TLS, cache uintptr, page uint32, create int32) uintptr
	methods   lib.Tsqlite3_pcache_methods2
	counted   = func(tls *libc.TLS, cache uintptr, page uint32, create int32) uintptr {
		pagesTouched.Add(1)
		return fetchPage(tls, cache, page, create)
	}
)

// countPages puts the counter in front of SQLite's page cache, by the door that
// SQLite has for caches of one's own. It works before the first connection only.
func countPages() error {
	tls := libc.NewTLS()
	defer tls.Close()
	at := libc.NewVaList(uintptr(unsafe.Pointer(&methods)))
	defer libc.Xfree(tls, at)
	if rc := lib.Xsqlite3_config(tls, lib.SQLITE_CONFIG_GETPCACHE2, at); rc != lib.SQLITE_OK {
		return fmt.Errorf("SQLite does not tell its page cache: code %d", rc)
	}
	// The driver keeps Go functions as the words their values are.
	*(*uintptr)(unsafe.Pointer(&fetchPage)) = methods.FxFetch
	methods.FxFetch = *(*uintptr)(unsafe.Pointer(&counted))
	if rc := lib.Xsqlite3_config(tls, lib.SQLITE_CONFIG_PCACHE2, at); rc != lib.SQLITE_OK {
		return fmt.Errorf("SQLite does not take the page counter: code %d", rc)
	}
	return nil
}
