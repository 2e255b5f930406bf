//go:build !unix

package keyring

import "os"

// lockFile does nothing where the system has no advisory locks: there the
// operator sees to it that a service runs once per data folder.
func lockFile(*os.File) error { return nil }
