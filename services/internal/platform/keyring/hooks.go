package keyring

import (
	"errors"
	"fmt"
)

// Step is one thing that the package does to the disk.
type Step struct {
	// Name says what and why, such as "destroy.main.write" or "rotate.sync".
	Name string
	// Path is the file or folder.
	Path string
	// Offset and Data are set for writes.
	Offset int64
	Data   []byte
}

// Hooks lets tests stand between the package and the disk. An error of either
// function is taken as the crash of the process at that point: the call ends
// with it, and the File takes no further change.
type Hooks struct {
	Before func(Step) error
	After  func(Step) error
}

// ErrSkip is returned by a Before hook to leave the step out silently: a
// sabotage that tests use to see whether their checks notice.
var ErrSkip = errors.New("skip this step")

// Torn is returned by a Before hook of a write to crash after its first bytes.
type Torn struct {
	// Bytes is how many bytes reach the file.
	Bytes int
}

// Error says that a write was torn.
func (t *Torn) Error() string { return fmt.Sprintf("write torn after %d bytes", t.Bytes) }
