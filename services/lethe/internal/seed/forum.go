package seed

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
)

// made is the id of something that was made.
type made struct {
	ID int64 `json:"id"`
}

// structure makes something of the desk itself under a key of the seed.
func (d *run) structure(ctx context.Context, path, key string, body map[string]any) (int64, error) {
	var out made
	_, err := d.client.Post(ctx, path, fmt.Sprintf("seed/%d/desk/%s", d.opts.Seed, key), body, &out)
	if refusal := restclient.AsError(err); refusal != nil && refusal.AlreadyDone() {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("make the %s: %w", key, err)
	}
	return out.ID, nil
}

// discuss makes a forum, everybody's topics in it, and then comments and follows.
func (d *run) discuss(ctx context.Context) error {
	name := fmt.Sprintf("Community %d", d.opts.Seed)
	category, err := d.structure(ctx, "/api/v2/discussions/categories", "category", map[string]any{"name": name})
	if err != nil || category == 0 {
		return err
	}
	d.forum, err = d.structure(ctx, at("/api/v2/discussions/categories/", category, "/forums"), "forum",
		map[string]any{"name": "Ideas " + strconv.FormatUint(d.opts.Seed, 10), "forum_type": 2, "forum_visibility": 1})
	if err != nil || d.forum == 0 {
		return err
	}
	if err := d.each(ctx, d.begin); err != nil {
		return err
	}
	return d.each(ctx, d.comment)
}

func at(before string, id int64, behind string) string {
	return before + strconv.FormatInt(id, 10) + behind
}

// begin makes the topics of one person.
func (d *run) begin(ctx context.Context, m *maker) error {
	d.topics[m.number] = make([]int64, d.opts.TopicsPer)
	for i := range d.opts.TopicsPer {
		if d.who[m.number] == 0 {
			continue
		}
		rng := source(m.seed, m.number<<16|i, forTopics)
		product := pick(rng, "product")
		var topic made
		there, _, err := m.post(ctx, at("/api/v2/discussions/forums/", d.forum, "/topics"), "/topic/"+strconv.Itoa(i+1), map[string]any{
			"title": m.person.fill(pick(rng, "topic"), product), "message": m.person.fill(pick(rng, "topic-message"), product), "user_id": d.who[m.number],
		}, &topic)
		if err != nil {
			return fmt.Errorf("topic: %w", err)
		}
		if there {
			d.topics[m.number][i] = topic.ID
			m.result.Topics++
		}
	}
	return nil
}

// comment writes the comments of one person on topics of the people behind them,
// and lets the person follow these topics.
func (d *run) comment(ctx context.Context, m *maker) error {
	for i := range d.opts.CommentsPer {
		rng := source(m.seed, m.number<<16|i, forComments)
		other := (m.number+i)%d.opts.People + 1
		topic := d.topics[other][rng.IntN(d.opts.TopicsPer)]
		if d.who[m.number] == 0 || topic == 0 {
			continue
		}
		about := newPerson(m.seed, other)
		text := strings.NewReplacer("{other}", about.name, "{other-email}", about.email).Replace(pick(rng, "comment"))
		body := map[string]any{"body": m.person.fill(text, pick(rng, "product")), "user_id": d.who[m.number]}
		there, _, err := m.post(ctx, at("/api/v2/discussions/topics/", topic, "/comments"), "/comment/"+strconv.Itoa(i+1), body, nil)
		switch {
		case restclient.IsStatus(err, http.StatusNotFound):
			continue // the topic went with its person a moment ago
		case err != nil:
			return fmt.Errorf("comment: %w", err)
		case !there:
			continue
		}
		m.result.Comments++
		follow := restclient.Call{
			Method: http.MethodPost, Path: at("/api/v2/discussions/topics/", topic, "/follow"), Body: map[string]any{"user_id": d.who[m.number]},
		}
		if _, err := d.client.Do(ctx, follow); err != nil {
			return fmt.Errorf("follow: %w", err)
		}
		m.result.Follows++
	}
	d.opts.Discussed(1)
	return nil
}

// write makes the knowledge base.
func (d *run) write(ctx context.Context) error {
	seed := strconv.FormatUint(d.opts.Seed, 10)
	category, err := d.structure(ctx, "/api/v2/solutions/categories", "solutions", map[string]any{"name": "Help " + seed})
	if err != nil || category == 0 {
		return err
	}
	folder, err := d.structure(ctx, at("/api/v2/solutions/categories/", category, "/folders"), "folder", map[string]any{"name": "Products " + seed, "visibility": 1})
	if err != nil || folder == 0 {
		return err
	}
	for i := range d.opts.Articles {
		rng := source(d.opts.Seed, i, forArticles)
		fill := strings.NewReplacer("{product}", pick(rng, "product")).Replace
		id, err := d.structure(ctx, at("/api/v2/solutions/folders/", folder, "/articles"), "article/"+strconv.Itoa(i+1), map[string]any{
			"title": fill(pick(rng, "article")), "description": "<p>" + fill(pick(rng, "article-text")) + "</p>", "status": 2, "type": 1, "tags": []string{"seed"},
		})
		if err != nil {
			return err
		}
		if id != 0 {
			d.count(Result{Articles: 1})
		}
	}
	return nil
}
