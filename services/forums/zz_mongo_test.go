package forums

import (
	"fmt"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore/mongo/mongotest"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
)

func zzOpen(t *testing.T, sabotage ...func(*Service)) *desk {
	s := mongotest.Start(t)
	return openOn(servicetest.New(t, servicetest.Options{Mongo: func(t *testing.T) *storage.Mongo {
		m, err := storage.Connect(t.Context(), storage.MongoOptions{URI: s.URI, UnsafeStandalone: s.Standalone, Grace: time.Millisecond, Prefix: fmt.Sprintf("f%d", time.Now().UnixNano())})
		must(t, err)
		return m
	}}), sabotage...)
}
