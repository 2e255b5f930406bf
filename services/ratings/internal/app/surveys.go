package app

import (
	"context"
	"errors"
	"slices"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/ratings/internal/rating"
)

// asked reads which survey an account asks, and founds the default one at the first use.
func (a *App) asked(ctx context.Context, account int64) (int64, error) {
	id, err := a.Surveys.Active(ctx, account)
	if !errors.Is(err, docstore.ErrNotFound) {
		return id, storeFault(err)
	}
	if err := a.Surveys.Found(ctx, rating.Default(account, a.now())); err != nil {
		return 0, storeFault(err)
	}
	id, err = a.Surveys.Active(ctx, account)
	return id, storeFault(err)
}

// active reads the survey that is asked.
func (a *App) active(ctx context.Context, account int64) (*rating.Survey, error) {
	id, err := a.asked(ctx, account)
	if err != nil {
		return nil, err
	}
	s, err := a.Surveys.Get(ctx, account, id)
	if err != nil {
		return nil, storeFault(err)
	}
	s.Active = true
	return s, nil
}

// survey reads one survey.
func (a *App) survey(ctx context.Context, account, id int64) (*rating.Survey, error) {
	asked, err := a.asked(ctx, account)
	if err != nil {
		return nil, err
	}
	s, err := a.Surveys.Get(ctx, account, id)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil, fault.NotFound("survey", id)
	}
	if err != nil {
		return nil, storeFault(err)
	}
	s.Active = asked == s.ID
	return s, nil
}

// ListSurveys reads a page of surveys; state is "active" for the one that is asked, or empty.
func (a *App) ListSurveys(ctx context.Context, account int64, state string, skip, limit int) ([]*rating.Survey, bool, error) {
	switch state {
	case "active":
		s, err := a.active(ctx, account)
		if err != nil || skip > 0 {
			return nil, false, err
		}
		return []*rating.Survey{s}, false, nil
	case "":
		asked, err := a.asked(ctx, account)
		if err != nil {
			return nil, false, err
		}
		found, more, err := a.Surveys.List(ctx, account, skip, limit)
		for _, s := range found {
			s.Active = s.ID == asked
		}
		return found, more, storeFault(err)
	}
	return nil, false, fault.InvalidValue("state", "It should be one of these values: 'active'")
}

// CreateSurvey makes a survey, once per key.
func (a *App) CreateSurvey(ctx context.Context, account int64, in *rating.SurveyInput, key Key) (*rating.Survey, error) {
	work := idem.Work[*rating.Survey]{
		// Nobody owns a survey but the account, which is never erased.
		Owner: func(ctx context.Context) (int64, error) {
			if err := invalid(in.Check()); err != nil {
				return 0, err
			}
			_, err := a.asked(ctx, account)
			return 0, err
		},
		NewID: a.newID,
		Mark:  func(ctx context.Context, id int64) (string, error) { return a.Surveys.Mark(ctx, account, id) },
		Read:  func(ctx context.Context, id int64) (*rating.Survey, error) { return a.survey(ctx, account, id) },
		Create: func(ctx context.Context, s idem.Slot) (*rating.Survey, error) {
			v := rating.NewSurvey(account, in, a.now())
			v.ID, v.Mark = s.ID, s.Mark
			return v, a.Surveys.Insert(ctx, v)
		},
		Complete: func(ctx context.Context, v *rating.Survey) (*rating.Survey, error) {
			if in.Active == nil || !*in.Active {
				return v, nil
			}
			return v, a.ask(ctx, v)
		},
	}
	v, err := idem.Do(ctx, a.Keys, idem.Call{Account: account, Method: "CreateSurvey", Key: key.Value, Body: key.Body}, work)
	if err != nil {
		return nil, storeFault(err)
	}
	return v, nil
}

// ask makes a survey the active one. When two are made so at once, the later one is.
func (a *App) ask(ctx context.Context, v *rating.Survey) error {
	for try := 1; ; try++ {
		err := a.Surveys.Ask(ctx, v)
		if errors.Is(err, docstore.ErrStale) && try < maxTries {
			continue
		}
		v.Active = err == nil
		return storeFault(err)
	}
}

// UpdateSurvey changes what the mask names and nothing else. Ratings given before keep their answers.
func (a *App) UpdateSurvey(ctx context.Context, account, id int64, in *rating.SurveyInput, mask []string) (*rating.Survey, error) {
	for range maxTries {
		s, err := a.survey(ctx, account, id)
		if err != nil {
			return nil, err
		}
		if err := invalid(in.CheckMasked(mask, s)); err != nil {
			return nil, err
		}
		s.Apply(in, mask, a.now())
		err = a.Surveys.Update(ctx, s)
		if errors.Is(err, docstore.ErrStale) {
			continue
		}
		if err == nil && slices.Contains(mask, "active") && in.Active != nil && *in.Active {
			err = a.ask(ctx, s)
		}
		return s, storeFault(err)
	}
	return nil, fault.Conflict(faultv1.Reason_REASON_STALE)
}
