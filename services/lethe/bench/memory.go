package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// residentMiB reads a process's resident memory.
func residentMiB(pid int) (float64, error) { return statusMiB(pid, "VmRSS:") }

// statusMiB reads a number of a process's status.
func statusMiB(pid int, name string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("the system does not say how much memory a process has")
}

// memoryOf runs do and returns the most this process had resident meanwhile, and
// what it had before.
func memoryOf(do func() error) (before, peak float64, err error) {
	debug.FreeOSMemory()
	if before, err = residentMiB(os.Getpid()); err != nil {
		return 0, 0, err
	}
	// 5 has the kernel begin the highest value anew.
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return 0, 0, err
	}
	if err := do(); err != nil {
		return 0, 0, err
	}
	peak, err = statusMiB(os.Getpid(), "VmHWM:")
	return before, peak, err
}
