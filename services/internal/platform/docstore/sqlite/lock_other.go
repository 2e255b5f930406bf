//go:build !unix

package sqlite

import (
	"errors"
	"os"
)

// tryLock refuses: without a lock that dies with its process the store is not safe.
func tryLock(*os.File) (bool, error) {
	return false, errors.New("this system has no file lock that ends with its process")
}
