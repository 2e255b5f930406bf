// Package seed fills a desk with plausible, invented people over its REST API:
// tickets with replies, notes, huddles, calls, chats and attachments, ratings,
// topics, comments and follows, and articles. The same seed makes the same desk,
// and seeding again adds nothing.
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
	// RatingsPer is how many of these tickets each person rates, the first ones.
	RatingsPer int
	// TopicsPer is how many topics each person begins, CommentsPer how many comments
	// each writes, on topics of others where there are others.
	TopicsPer, CommentsPer int
	// Articles is how many articles the knowledge base has.
	Articles int
	// Seed chooses the desk; desks of different seeds share nobody.
	Seed uint64
	// Progress is called with 1 after each person's tickets, by any goroutine.
	Progress func(people int64)
	// Discussed is called with 1 after each person's comments, by any goroutine.
	Discussed func(people int64)
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
	Ratings     int64 `json:"ratings"`
	Topics      int64 `json:"topics"`
	Comments    int64 `json:"comments"`
	Follows     int64 `json:"follows"`
	Articles    int64 `json:"articles"`
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
	r.Ratings += o.Ratings
	r.Topics += o.Topics
	r.Comments += o.Comments
	r.Follows += o.Follows
	r.Articles += o.Articles
}

// run is one seeding.
type run struct {
	client *restclient.Client
	opts   Options
	// who are the ids of the people by number, 0 for one who is erased or hidden.
	who []int64
	// forum is where topics begin; topics are their ids by person, 0 for one that is gone.
	forum  int64
	topics [][]int64

	mu    sync.Mutex
	total Result
}

// Run makes the desk. The first error ends it; what was made stays, and running
// again finishes it. A person who was erased since is left out with all that was theirs.
func Run(ctx context.Context, client *restclient.Client, opts Options) (Result, error) {
	for _, f := range []*func(int64){&opts.Progress, &opts.Discussed} {
		if *f == nil {
			*f = func(int64) {}
		}
	}
	d := &run{client: client, opts: opts, who: make([]int64, opts.People+1), topics: make([][]int64, opts.People+1)}
	if _, err := client.Get(ctx, "/api/v2/contacts", map[string][]string{"per_page": {"1"}}, nil); err != nil {
		return Result{}, err
	}
	err := d.each(ctx, d.person)
	if err == nil && opts.TopicsPer > 0 && opts.People > 0 {
		err = d.discuss(ctx)
	}
	if err == nil && opts.Articles > 0 {
		err = d.write(ctx)
	}
	return d.total, err
}

// each runs work for all people, several at a time, each with a maker of its own.
func (d *run) each(ctx context.Context, work func(ctx context.Context, m *maker) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	numbers := make(chan int)
	for range Workers {
		group.Go(func() {
			for n := range numbers {
				if ctx.Err() != nil {
					continue
				}
				m := d.maker(n)
				if err := work(ctx, m); err != nil {
					cancel(fmt.Errorf("make person %d: %w", n, err))
					continue
				}
				d.count(m.result)
			}
		})
	}
	for n := 1; n <= d.opts.People && ctx.Err() == nil; n++ {
		numbers <- n
	}
	close(numbers)
	group.Wait()
	return context.Cause(ctx)
}

func (d *run) maker(n int) *maker {
	return &maker{client: d.client, seed: d.opts.Seed, number: n, person: newPerson(d.opts.Seed, n), rng: source(d.opts.Seed, n, forTickets)}
}

func (d *run) count(r Result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.total.add(r)
}

// person makes one person with tickets and ratings.
func (d *run) person(ctx context.Context, m *maker) error {
	id, err := m.make(ctx, d.opts.TicketsPer, d.opts.RatingsPer)
	if err != nil {
		return err
	}
	d.who[m.number] = id
	d.opts.Progress(1)
	return nil
}

// What randomness is used for: each use draws its own, so that more of one thing
// changes nothing of another.
const (
	forPeople = iota
	forTickets
	forRatings
	forTopics
	forComments
	forArticles
)

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
	rng := source(seed, n, forPeople)
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
