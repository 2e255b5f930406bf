//go:build unix

package keyring

import (
	"os"
	"syscall"
)

// lockFile takes the lock that keeps a second process away; it ends with the
// file's descriptor, so a killed process leaves none behind.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
