package datamap

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// participantService is the one contract that every participant implements.
const participantService = "lethe.participant.v1.PersonalDataService"

// flowsOf follows the declared calls: a caller hands a service the categories
// of its requests, and is handed those of its responses.
func flowsOf(of []protoreflect.FileDescriptor, rows []Row) []Flow {
	var flows []Flow
	add := func(source, target string, sd protoreflect.ServiceDescriptor, found map[string]bool) {
		if source == target || len(found) == 0 {
			return
		}
		f := Flow{Source: source, Target: target, Service: string(sd.FullName())}
		for _, c := range Categories() {
			if found[c] {
				f.Categories = append(f.Categories, c)
			}
		}
		flows = append(flows, f)
	}
	for _, file := range of {
		for i := range file.Services().Len() {
			sd := file.Services().Get(i)
			for _, holder := range holders(sd, file, rows) {
				in, out := carried(sd, holder, rows)
				for _, caller := range callers(sd) {
					add(caller, holder, sd, in)
					add(holder, caller, sd, out)
				}
			}
		}
	}
	slices.SortFunc(flows, func(a, b Flow) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Service, b.Service))
	})
	return flows
}

// holders are the services that implement a service of the contract.
func holders(sd protoreflect.ServiceDescriptor, file protoreflect.FileDescriptor, rows []Row) []string {
	if sd.FullName() != participantService {
		return []string{serviceOf(file)}
	}
	var all []string
	for _, r := range rows {
		if !slices.Contains(all, r.Service) {
			all = append(all, r.Service)
		}
	}
	return all
}

// carried returns the categories in the requests and in the responses of a service's methods.
func carried(sd protoreflect.ServiceDescriptor, holder string, rows []Row) (in, out map[string]bool) {
	in, out = map[string]bool{}, map[string]bool{}
	for i := range sd.Methods().Len() {
		m := sd.Methods().Get(i)
		gather(m.Input(), holder, rows, in, map[protoreflect.FullName]bool{})
		gather(m.Output(), holder, rows, out, map[protoreflect.FullName]bool{})
	}
	return in, out
}

// anyMessage is how an export carries whatever a participant holds.
const anyMessage = "google.protobuf.Any"

// gather collects the categories of a message, at any depth.
func gather(md protoreflect.MessageDescriptor, holder string, rows []Row, found map[string]bool, seen map[protoreflect.FullName]bool) {
	if seen[md.FullName()] {
		return
	}
	seen[md.FullName()] = true
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if p := personal(fd); p != nil {
			found[category(p)] = true
		}
		if inner := part(fd); inner != nil {
			gather(inner, holder, rows, found, seen)
		}
		if fd.Message() == nil || fd.Message().FullName() != anyMessage {
			continue
		}
		for _, r := range rows {
			if r.Service == holder {
				found[r.Category] = true
			}
		}
	}
}
