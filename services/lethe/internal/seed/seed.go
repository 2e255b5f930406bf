// Package seed fills a desk with plausible, invented people and tickets over its
// REST API: replies, notes, huddles, calls, chats and attachments. The same seed
// makes the same desk, and seeding again adds nothing.
package seed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
)

// Workers is how many people are made at a time.
const Workers = 8

// Options say what to make.
type Options struct {
	// People is how many contacts, TicketsPer how many tickets each has.
	People, TicketsPer int
	// Seed chooses the desk; desks of different seeds share nobody.
	Seed uint64
	// Progress is called with 1 after each person, by any goroutine.
	Progress func(people int64)
}

// Result counts what the desk of this seed holds; Already are people who had
// been there before.
type Result struct {
	People      int64 `json:"people"`
	Already     int64 `json:"already"`
	Tickets     int64 `json:"tickets"`
	Replies     int64 `json:"replies"`
	Notes       int64 `json:"notes"`
	Huddles     int64 `json:"huddles"`
	Calls       int64 `json:"calls"`
	Chats       int64 `json:"chats"`
	Attachments int64 `json:"attachments"`
}

func (r *Result) add(o Result) {
	r.People += o.People
	r.Already += o.Already
	r.Tickets += o.Tickets
	r.Replies += o.Replies
	r.Notes += o.Notes
	r.Huddles += o.Huddles
	r.Calls += o.Calls
	r.Chats += o.Chats
	r.Attachments += o.Attachments
}

// Run makes the desk. The first error ends it; what was made stays, and running
// again finishes it. A person who was erased since is left out with all tickets.
func Run(ctx context.Context, client *restclient.Client, opts Options) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if opts.Progress == nil {
		opts.Progress = func(int64) {}
	}
	answer, err := client.Get(ctx, "/api/v2/contacts", map[string][]string{"per_page": {"1"}}, nil)
	if err != nil {
		return Result{}, err
	}
	var (
		mu    sync.Mutex
		total Result
		group sync.WaitGroup
	)
	numbers := make(chan int)
	for range Workers {
		group.Go(func() {
			for n := range numbers {
				if ctx.Err() != nil {
					continue
				}
				m := &maker{client: client, began: answer.Date, person: newPerson(opts.Seed, n), rng: source(opts.Seed, n, 1)}
				if err := m.make(ctx, opts.TicketsPer); err != nil {
					cancel(fmt.Errorf("make person %d: %w", n, err))
					continue
				}
				mu.Lock()
				total.add(m.result)
				mu.Unlock()
				opts.Progress(1)
			}
		})
	}
	for n := 1; n <= opts.People && ctx.Err() == nil; n++ {
		numbers <- n
	}
	close(numbers)
	group.Wait()
	return total, context.Cause(ctx)
}

// source is the randomness of one person for one use, whoever comes first.
func source(seed uint64, n, use int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(n)<<8|uint64(use)))
}

func pick(rng *rand.Rand, section string) string {
	list := words[section]
	return list[rng.IntN(len(list))]
}

// person is an invented contact.
type person struct {
	// key begins all idempotency keys of the person.
	key                         string
	name, email, phone, address string
	body                        map[string]any
}

func newPerson(seed uint64, n int) person {
	rng := source(seed, n, 0)
	first, last := pick(rng, "first"), pick(rng, "last")
	domain := []string{"example.com", "example.net", "example.org"}[rng.IntN(3)]
	p := person{
		key:     fmt.Sprintf("seed/%d/%d", seed, n),
		name:    first + " " + last,
		email:   fmt.Sprintf("%s.%s.s%dn%d@%s", ascii(first), ascii(last), seed, n, domain),
		phone:   fmt.Sprintf("+1202555%04d", 100+rng.IntN(100)),
		address: fmt.Sprintf("%d %s, %s", 1+rng.IntN(180), pick(rng, "street"), pick(rng, "city")),
	}
	p.body = map[string]any{
		"name": p.name, "email": p.email, "phone": p.phone, "mobile": fmt.Sprintf("+1312555%04d", 100+rng.IntN(100)), "address": p.address,
		"job_title": pick(rng, "title"), "unique_external_id": fmt.Sprintf("customer-%d-%06d", seed, n),
		"description": "Customer since " + fmt.Sprint(2012+rng.IntN(13)) + ".", "tags": []string{[]string{"private", "business"}[rng.IntN(2)]},
	}
	return p
}

// ascii makes the letters of a name fit for an address.
func ascii(name string) string {
	var out strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z':
			out.WriteRune(r)
		case plain[r] != "":
			out.WriteString(plain[r])
		}
	}
	return out.String()
}

var plain = map[rune]string{
	'á': "a", 'ä': "ae", 'å': "a", 'ą': "a", 'é': "e", 'ë': "e", 'í': "i", 'ł': "l", 'ö': "oe", 'ø': "o", 'ü': "ue", 'ć': "c", 'ż': "z",
}

// fill puts the person and a product into a sentence.
func (p person) fill(text, product string) string {
	return strings.NewReplacer(
		"{name}", p.name, "{email}", p.email, "{phone}", p.phone, "{address}", p.address, "{product}", product,
	).Replace(text)
}
