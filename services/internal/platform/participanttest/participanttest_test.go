package participanttest

import (
	"testing"

	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
)

var inProcess = servicetest.Options{InProcess: true}

func TestSuite(t *testing.T) { Run(t, inProcess, harness("", nil)) }
