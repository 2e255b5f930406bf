package flow

import (
	"context"
	"strings"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// planned is a resource that a participant has to answer for at the end.
type planned struct {
	name string
	// linked and mentioned say that it counts records of others that name, or
	// speak of, the person.
	linked, mentioned bool
}

// planLimit is how much of a plan one reference holds.
const planLimit = 128

// planRef is the reference under which the plan keeps a participant's
// resources; a long plan goes on under the name with a letter.
func planRef(participant string) string { return "plan_" + participant }

func nextRef(participant string, n int) string {
	if n == 0 {
		return planRef(participant)
	}
	return planRef(participant) + "_" + string(rune('a'+n))
}

// String is how a reference holds the resource: "topics.lm".
func (p planned) String() string {
	flags := ""
	if p.linked {
		flags += "l"
	}
	if p.mentioned {
		flags += "m"
	}
	if flags == "" {
		return p.name
	}
	return p.name + "." + flags
}

// planRefs writes a plan into references.
func planRefs(participant string, resources []planned) map[string]string {
	refs := map[string]string{}
	n, line := 0, ""
	for _, r := range resources {
		if line != "" && len(line)+1+len(r.String()) > planLimit {
			refs[nextRef(participant, n)] = line
			n, line = n+1, ""
		}
		if line != "" {
			line += ":"
		}
		line += r.String()
	}
	refs[nextRef(participant, n)] = line
	return refs
}

// planOf reads a participant's plan; nil when there is none.
func planOf(call saga.Call, participant string) []planned {
	var all []planned
	for n := 0; ; n++ {
		line := call.Ref(nextRef(participant, n))
		if line == "" {
			return all
		}
		for one := range strings.SplitSeq(line, ":") {
			name, flags, _ := strings.Cut(one, ".")
			all = append(all, planned{name: name, linked: strings.Contains(flags, "l"), mentioned: strings.Contains(flags, "m")})
		}
	}
}

func planFrom(counts []*participantv1.Count) []planned {
	var all []planned
	for _, n := range counts {
		all = append(all, planned{name: n.GetResource(), linked: n.Linked != nil, mentioned: n.Mentioned != nil})
	}
	return all
}

// plan asks what is held: the resources that must be answered for later.
func (p Participant) plan(ctx context.Context, call saga.Call) saga.Result {
	return p.planWith(ctx, call, nil)
}

func (p Participant) planWith(ctx context.Context, call saga.Call, ids *participantv1.Identifiers) saga.Result {
	c, err := p.Client.CountHoldings(as(ctx, call), &participantv1.CountHoldingsRequest{Subject: subject(call), Identifiers: ids})
	if err != nil {
		return answer(err)
	}
	if len(c.GetCounts()) == 0 {
		return saga.Failed("empty_plan")
	}
	return saga.Done().WithRefs(planRefs(p.Name, planFrom(c.GetCounts())))
}

// planPerson plans with the person's identifiers, so that resources which may
// speak of them say so; contacts' step keeps what the person is.
func (p Participant) planPerson(d Directory) saga.StepFunc {
	return func(ctx context.Context, call saga.Call) saga.Result {
		ids, kind, err := d.identify(ctx, call)
		if notFound(err) {
			return saga.Refused("not_found")
		}
		if err != nil {
			return answer(err)
		}
		r := p.planWith(ctx, call, ids)
		if p.Name != Contacts || !r.IsDone() {
			return r
		}
		word, known := kindWords[kind]
		if !known {
			return saga.Failed("kind_unsaid")
		}
		// Whoever is asked to be erased as an agent is erased as one, also when
		// the seat has gone meanwhile: former agents keep their contributions.
		if call.Kind == EraseAgent {
			word = wordAgent
		}
		refs := r.Refs()
		refs[refKind] = word
		return saga.Done().WithRefs(refs)
	}
}

// The words by which a saga's row says what the person is.
const (
	wordContact = "contact"
	wordAgent   = "agent"
)

var kindWords = map[participantv1.SubjectKind]string{
	participantv1.SubjectKind_SUBJECT_KIND_CONTACT: wordContact,
	participantv1.SubjectKind_SUBJECT_KIND_AGENT:   wordAgent,
}

// kindFunc says what the person of a call is; unspecified when it was not planned.
type kindFunc func(saga.Call) participantv1.SubjectKind

func linksByKind(call saga.Call) participantv1.SubjectKind {
	for kind, word := range kindWords {
		if word == call.Ref(refKind) {
			return kind
		}
	}
	return participantv1.SubjectKind_SUBJECT_KIND_UNSPECIFIED
}

func contactLinks(saga.Call) participantv1.SubjectKind {
	return participantv1.SubjectKind_SUBJECT_KIND_CONTACT
}
