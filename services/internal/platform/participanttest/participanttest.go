// Package participanttest is the suite every participant passes, whole: passing
// it is what taking part means. It asks only what privacy could ask
// (PersonalDataService) and what clients could ask (the service's own methods),
// so it holds for any store and any implementation. A service with personal
// records and without a test that calls Run fails the build
// (services/lethe/boundary).
//
//	func TestParticipant(t *testing.T) {
//		participanttest.Run(t, servicetest.Options{}, func(k *servicetest.Kit) *participanttest.Harness {
//			d := openOn(k) // k.Run(…): the service on k.Store(Name), under its own name
//			return &participanttest.Harness{
//				Service: Name,
//				Seed:    d.seed,    // n of everything a person can own, through the service's own methods
//				Methods: d.methods, // every method of the service, about what Seed made
//			}
//		})
//	}
//
// The same test runs on MongoDB with servicetest.Options{Mongo: …, AtRest: …}.
//
// Seed puts the person's mark into every free text, name and file: by it the
// suite sees whether a method still shows something. Methods are asked under
// every fence and from another account; a method of the contract that is not
// listed fails. Where records of others name a person (Link), quote them
// (Mention) or go one by one (Item), the harness says how to make such a record.
package participanttest

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
)

// Open opens the service on the stores of a kit and says how to use it. It is
// called once per case, each time with a new kit.
type Open func(k *servicetest.Kit) *Harness

// Harness is what the suite needs to know of a service.
type Harness struct {
	// Service is the name under which the kit runs it; its contract is lethe.<Service>.v1.
	Service string
	// Kinds are what people can be who own something here; contacts when nil.
	Kinds []participantv1.SubjectKind
	// Seed makes a new person of that kind and n of everything such a person can
	// own (one where there can only be one), with mark in every text.
	Seed func(account int64, kind participantv1.SubjectKind, n int, mark string) Person
	// Methods are calls of all methods about the things of a person, in an order
	// in which they can all succeed. Together over all kinds they name every method of the contract.
	Methods func(p Person) []Method

	// Link makes a record of the owner's that names who as somebody who took
	// part. Mandatory where CountHoldings counts links.
	Link func(owner, who Person)
	// Mention makes a record of the owner's with that text in every field that
	// takes text. Mandatory where CountHoldings counts mentions.
	Mention func(owner Person, text string)
	// Item names one of the person's records on which others hang, and returns a
	// call that hangs one more on it. Mandatory where CountItem counts something.
	Item func(p Person) (item *participantv1.Item, hang Method)

	// Leave names cases the service does not pass yet, each with the reason; it is printed.
	Leave map[string]string

	// client is set for cases about lying participants.
	client participantv1.PersonalDataServiceClient
	// resources and services replace those of the contract, for the suite's own test.
	resources, services []string
}

// Person is somebody whom Seed has made.
type Person struct {
	// Account and ID are the subject.
	Account, ID int64
	// Kind is what the person is.
	Kind participantv1.SubjectKind
	// Mark is in all of the person's texts.
	Mark string
	// Shown is what is in answers that show the person, where texts are not; Mark when empty.
	Shown string
	// Things are the ids the service's own Methods need.
	Things any
}

// Kind is how a method names the person it is about, and with that how it
// answers while a fence withholds the person.
type Kind int

// The kinds of methods.
const (
	// One is about one thing, named in the request: not found, or restricted.
	One Kind = iota
	// List answers a list from which the person's things are missing.
	List
	// Named has the thing in its body, which makes the body wrong: invalid, or restricted.
	Named
	// Free works behind fences as well, for the reason in Why; it is not asked there.
	Free
	// Apart is about nobody's things; Why says so. It is never called.
	Apart
)

// Answer is how a method answers.
type Answer int

// The answers a method can give.
const (
	// NotFound is 404.
	NotFound Answer = iota + 1
	// Restricted is 403 with that reason.
	Restricted
	// Invalid is 400.
	Invalid
	// NotAllowed is 405.
	NotAllowed
	// Empty is an answer without the person's mark.
	Empty
	// Shown is an answer with the person's mark.
	Shown
	// Fine is any answer without an error.
	Fine
	// Unknown is 401: the caller is the person, and nobody any more.
	Unknown
)

// Method is a call of one method about a person's things.
type Method struct {
	// Name is service and method, as in "TicketsService/GetTicket".
	Name string
	// Kind says how it names the person.
	Kind Kind
	// Why is the reason for Free and Apart.
	Why string
	// Call calls it. The answer of a stream is its first message.
	Call func(ctx context.Context) (proto.Message, error)
	// As is who calls; an administrator when nil.
	As func(account int64) context.Context
	// Shows says that the answer holds the person's mark; lists always do.
	Shows bool
	// Ends says that the thing is gone or changed behind the call, so that others would not find it.
	Ends bool
	// Except says where the answer differs from what the kind answers, by the strictest fence.
	Except map[participantv1.Mode]Answer
}

// Run runs all cases, each on a kit of its own made with the options.
func Run(t *testing.T, o servicetest.Options, open Open) {
	t.Helper()
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			if o.Mongo == nil {
				t.Parallel() // a server for tests may take one client at a time
			}
			w := openWorld(t, o, open)
			if why := w.Leave[c.name]; why != "" {
				t.Log("left out:", why)
				return
			}
			for _, msg := range w.play(c) {
				t.Error(msg)
			}
		})
	}
}
