package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/docstoretest"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/sqlite"
)

var harness = docstoretest.Harness{
	Backend: func(ctx context.Context, dir string) (docstore.Backend, error) {
		return sqlite.Open(ctx, filepath.Join(dir, "suite.db"), sqlite.Options{})
	},
}

func TestSuite(t *testing.T) { docstoretest.Run(t, harness) }

func TestSuiteNoticesSabotage(t *testing.T) { docstoretest.Control(t, harness) }

func TestCrashes(t *testing.T) { docstoretest.Crashes(t, harness) }
