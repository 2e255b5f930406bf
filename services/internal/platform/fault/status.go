package fault

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Domain is the domain of Lethe's ErrorInfo.
const Domain = "lethe"

// MetaIncident is the key of an incident number in Meta.
const MetaIncident = "incident"

// infoPrefix marks ErrorInfo metadata that belongs to a violation: "info.<index>.<key>".
const infoPrefix = "info."

// GRPCStatus makes a fault a gRPC error. The cause is not in it.
func (e *Error) GRPCStatus() *status.Status { return ToStatus(e) }

// ToStatus makes the gRPC status of a fault: its code and sentence, ErrorInfo
// with reason and metadata, BadRequest with the violations. No cause is in it.
func ToStatus(e *Error) *status.Status {
	if e == nil {
		return status.New(codes.OK, "")
	}
	s := status.New(e.Kind.Code(), e.Message)
	info := &errdetails.ErrorInfo{
		Domain:   Domain,
		Reason:   strings.TrimPrefix(e.Reason.String(), "REASON_"),
		Metadata: map[string]string{},
	}
	for k, v := range e.Meta {
		info.Metadata[k] = v
	}
	bad := &errdetails.BadRequest{}
	for i, v := range e.Violations {
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field: v.Field, Description: v.Message, Reason: strings.TrimPrefix(v.Code.String(), "REASON_"),
		})
		for k, n := range v.Info {
			info.Metadata[fmt.Sprintf("%s%d.%s", infoPrefix, i, k)] = strconv.FormatInt(n, 10)
		}
	}
	with, err := s.WithDetails(info)
	if err == nil && len(bad.FieldViolations) > 0 {
		with, err = with.WithDetails(bad)
	}
	if err != nil { // only an OK status refuses details, and no kind is OK
		return s
	}
	return with
}

// FromStatus rebuilds the fault that a server sent. nil and faults pass
// through; an error without a status is internal. Text of a status that no
// Lethe server made is kept as the cause only.
func FromStatus(err error) *Error {
	if err == nil {
		return nil
	}
	// A status wins over a fault that travelled in memory, so that an
	// in-process caller sees no more than one over the network.
	if f, ok := fromStatus(err); ok {
		return f
	}
	return From(err)
}

func fromStatus(err error) (*Error, bool) {
	var g interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &g) {
		return nil, false
	}
	s := g.GRPCStatus()
	if s == nil || s.Code() == codes.OK {
		return nil, false
	}
	kind := KindOf(s.Code())
	f := New(kind, kinds[kind].reason, "")
	f.Remote = true
	info, bad := details(s)
	if info == nil {
		return f.Because(err), true
	}
	f.Message = s.Message()
	f.Reason = reasonOf(info.GetReason(), f.Reason)
	for _, v := range bad.GetFieldViolations() {
		f.Violations = append(f.Violations, Violation{
			Field: v.GetField(), Code: reasonOf(v.GetReason(), faultv1.Reason_REASON_INVALID_VALUE), Message: v.GetDescription(),
		})
	}
	f.takeMetadata(info.GetMetadata())
	return f, true
}

// details returns Lethe's ErrorInfo and the BadRequest of a status, nil where there is none.
func details(s *status.Status) (info *errdetails.ErrorInfo, bad *errdetails.BadRequest) {
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == Domain {
				info = d
			}
		case *errdetails.BadRequest:
			bad = d
		}
	}
	return info, bad
}

// takeMetadata sorts metadata into Meta and the violations' Info.
func (e *Error) takeMetadata(metadata map[string]string) {
	for k, v := range metadata {
		index, key, ok := strings.Cut(strings.TrimPrefix(k, infoPrefix), ".")
		i, err := strconv.Atoi(index)
		n, err2 := strconv.ParseInt(v, 10, 64)
		if !strings.HasPrefix(k, infoPrefix) || !ok || err != nil || err2 != nil || i < 0 || i >= len(e.Violations) {
			if e.Meta == nil {
				e.Meta = map[string]string{}
			}
			e.Meta[k] = v
			continue
		}
		if e.Violations[i].Info == nil {
			e.Violations[i].Info = map[string]int64{}
		}
		e.Violations[i].Info[key] = n
	}
}

func reasonOf(name string, fallback faultv1.Reason) faultv1.Reason {
	if n, ok := faultv1.Reason_value["REASON_"+name]; ok && n != 0 {
		return faultv1.Reason(n)
	}
	return fallback
}

// Reasons returns all reasons of the contract but the unspecified one, in order.
func Reasons() []faultv1.Reason {
	var all []faultv1.Reason
	for n := range faultv1.Reason_name {
		if n != 0 {
			all = append(all, faultv1.Reason(n))
		}
	}
	slices.Sort(all)
	return all
}
