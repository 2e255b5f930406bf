package rpc

import (
	"context"
	"sync"

	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/datamap"
)

// dataMap is read once: the contract does not change while a program runs.
var dataMap = sync.OnceValue(func() *privacyv1.GetDataMapResponse {
	m := datamap.Read()
	out := &privacyv1.GetDataMapResponse{}
	for _, r := range m.Rows {
		out.Rows = append(out.Rows, &privacyv1.DataMapRow{
			Service: &r.Service, Resource: &r.Resource, Field: &r.Field, Category: &r.Category, Role: str(r.Role),
			Owner: &r.Owner, OnErase: &r.OnErase, Ground: str(r.Ground), Purpose: &r.Purpose,
		})
	}
	for _, f := range m.Flows {
		out.Flows = append(out.Flows, &privacyv1.DataMapFlow{
			Source: &f.Source, Target: &f.Target, Service: &f.Service, Categories: f.Categories,
		})
	}
	return out
})

// GetDataMap reads the data map from the contract.
func (s *Server) GetDataMap(context.Context, *privacyv1.GetDataMapRequest) (*privacyv1.GetDataMapResponse, error) {
	return dataMap(), nil
}
