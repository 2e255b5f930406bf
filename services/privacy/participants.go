package privacy

import (
	"maps"
	"slices"

	"google.golang.org/grpc"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
)

// participants returns the flows' view of the connections, in the order of
// their names, so that definitions are the same at every start.
func participants(conns map[string]grpc.ClientConnInterface) []flow.Participant {
	ps := make([]flow.Participant, 0, len(conns))
	for _, name := range slices.Sorted(maps.Keys(conns)) {
		ps = append(ps, flow.Participant{Name: name, Client: participantv1.NewPersonalDataServiceClient(conns[name])})
	}
	return ps
}
