package contract_test

import (
	"testing"

	_ "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1" // every package of the contract is linked in here
	_ "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/contract"
)

func TestTheContractLeavesNothingOpen(t *testing.T) {
	if len(contract.Files()) < 10 {
		t.Fatalf("only %d files are linked in", len(contract.Files()))
	}
	for _, v := range contract.CheckAll() {
		t.Error(v)
	}
}
