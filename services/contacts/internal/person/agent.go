package person

import "slices"

// AgentInput is what an administrator may write of an agent; nil is "not there".
type AgentInput struct {
	Email, Name                 *string
	Scope                       *int32
	Occasional                  *bool
	Signature                   *string
	GroupIDs, RoleIDs, SkillIDs []int64
	Type                        *int32
	Language, TimeZone          *string
	FocusMode                   *bool
}

// SeatSupport is the type of an ordinary agent's seat.
const SeatSupport = "support_agent"

// agentTypes are the words for agent_type 1, 2 and 3.
var agentTypes = []string{SeatSupport, "field_agent", "collaborator"}

// maxLinks bounds an agent's groups and skills.
const maxLinks = 300

// Clean brings the values into the form in which they are stored.
func (in *AgentInput) Clean(nfc func(string) string) {
	d := Details{Name: in.Name, Email: in.Email, Language: in.Language, TimeZone: in.TimeZone}
	d.Clean(nfc)
	in.Name, in.Email, in.Language, in.TimeZone = d.Name, d.Email, d.Language, d.TimeZone
	in.Signature = cleanText(in.Signature, nfc)
	in.GroupIDs, in.RoleIDs, in.SkillIDs = uniqIDs(in.GroupIDs), uniqIDs(in.RoleIDs), uniqIDs(in.SkillIDs)
}

// CheckNew returns what is wrong with an agent to be made.
func (in *AgentInput) CheckNew() []Problem {
	var bad []Problem
	if in.Email == nil {
		bad = append(bad, Problem{"email", MissingField, "It should be a/an String"})
	}
	if in.Scope == nil {
		bad = append(bad, Problem{"ticket_scope", MissingField, "It should be a/an Positive Integer"})
	}
	if in.Name != nil {
		bad = append(bad, checkName(in.Name)...)
	}
	return append(bad, in.check()...)
}

// CheckChange returns what is wrong with a change of the fields named by the paths.
func (in *AgentInput) CheckChange(paths []string) []Problem {
	var bad []Problem
	for _, p := range paths {
		switch p {
		case "name", "agent_type":
			bad = append(bad, Problem{p, ReadonlyField, "It can be set on create only"})
		case "email":
			if in.Email == nil {
				bad = append(bad, Problem{p, InvalidValue, "It should not be blank as this is a mandatory field"})
			}
		case "ticket_scope":
			if in.Scope == nil {
				bad = append(bad, Problem{p, InvalidValue, "It should be one of these values: '1,2,3'"})
			}
		default:
			if seatCopiers[p] == nil {
				bad = append(bad, Problem{p, InvalidField, "Unexpected/invalid field in request"})
			}
		}
	}
	return append(bad, in.check()...)
}

func (in *AgentInput) check() []Problem {
	var bad []Problem
	invalid := func(field, message string) { bad = append(bad, Problem{field, InvalidValue, message}) }
	if in.Email != nil && !ValidEmail(*in.Email) {
		invalid("email", "It should be in the 'valid email address' format")
	}
	if in.Scope != nil && (*in.Scope < 1 || *in.Scope > 3) {
		invalid("ticket_scope", "It should be one of these values: '1,2,3'")
	}
	if in.Type != nil && (*in.Type < 1 || *in.Type > 3) {
		invalid("agent_type", "It should be one of these values: '1,2,3'")
	}
	if in.Signature != nil && !text(*in.Signature, maxLong) {
		invalid("signature", "It should be a text of at most 65535 characters")
	}
	if in.Language != nil && !languageCode.MatchString(*in.Language) {
		invalid("language", "It should be a language code such as en or pt-BR")
	}
	if in.TimeZone != nil && !line(*in.TimeZone, 64) {
		invalid("time_zone", "It should be the name of a time zone")
	}
	if slices.ContainsFunc(in.RoleIDs, func(id int64) bool { return !KnownRole(id) }) {
		invalid("role_ids", "There is no such role")
	}
	if !links(in.GroupIDs) {
		invalid("group_ids", "It should hold at most 300 positive numbers")
	}
	if !links(in.SkillIDs) {
		invalid("skill_ids", "It should hold at most 300 positive numbers")
	}
	return bad
}

func links(ids []int64) bool {
	return len(ids) <= maxLinks && !slices.ContainsFunc(ids, func(id int64) bool { return id <= 0 })
}

// seatCopiers move one field of the input to an agent; they are what can be changed.
var seatCopiers = map[string]func(*Person, *AgentInput){
	"email":        func(p *Person, in *AgentInput) { p.Details.Email = in.Email },
	"language":     func(p *Person, in *AgentInput) { p.Details.Language = in.Language },
	"time_zone":    func(p *Person, in *AgentInput) { p.Details.TimeZone = in.TimeZone },
	"ticket_scope": func(p *Person, in *AgentInput) { p.Seat.Scope = *in.Scope },
	"occasional":   func(p *Person, in *AgentInput) { p.Seat.Occasional = in.Occasional != nil && *in.Occasional },
	"signature":    func(p *Person, in *AgentInput) { p.Seat.Signature = in.Signature },
	"group_ids":    func(p *Person, in *AgentInput) { p.Seat.GroupIDs = in.GroupIDs },
	"role_ids":     func(p *Person, in *AgentInput) { p.Seat.RoleIDs = in.rolesOrDefault() },
	"skill_ids":    func(p *Person, in *AgentInput) { p.Seat.SkillIDs = in.SkillIDs },
	"focus_mode":   func(p *Person, in *AgentInput) { p.Seat.FocusMode = in.FocusMode != nil && *in.FocusMode },
}

// Change applies the fields named by the paths, which have passed CheckChange.
func (in *AgentInput) Change(p *Person, paths []string) {
	for _, path := range paths {
		seatCopiers[path](p, in)
	}
	p.Details.SetDefaults()
}

// New fills an agent from an input that has passed CheckNew. The name is the
// local part of the address when none is given.
func (in *AgentInput) New(p *Person) {
	p.Kind, p.Type = Agent, TypeContact
	p.Details = Details{Name: in.Name, Email: in.Email, Language: in.Language, TimeZone: in.TimeZone}
	if p.Details.Name == nil {
		p.Details.Name = ptr(LocalPart(*in.Email))
	}
	p.Details.SetDefaults()
	kind := int32(1)
	if in.Type != nil {
		kind = *in.Type
	}
	p.Seat = Seat{
		Available: true, Scope: *in.Scope, Type: agentTypes[kind-1], Signature: in.Signature,
		Occasional: in.Occasional != nil && *in.Occasional, FocusMode: in.FocusMode == nil || *in.FocusMode,
		GroupIDs: in.GroupIDs, RoleIDs: in.rolesOrDefault(), SkillIDs: in.SkillIDs,
	}
}

func (in *AgentInput) rolesOrDefault() []int64 {
	if len(in.RoleIDs) == 0 {
		return []int64{RoleAgent}
	}
	return in.RoleIDs
}

func uniqIDs(list []int64) []int64 {
	var out []int64
	for _, id := range list {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}
