package sqlite

import "testing"

// SetMinWindow makes searches over several tags look at fewer entries at once,
// down to one page's worth, until the test ends.
func SetMinWindow(t *testing.T, n int) {
	old := minWindow
	minWindow = n
	t.Cleanup(func() { minWindow = old })
}
