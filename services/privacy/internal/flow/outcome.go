package flow

import (
	"strings"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

var kinds = map[participantv1.OutcomeKind]saga.OutcomeKind{
	participantv1.OutcomeKind_OUTCOME_KIND_ERASED:     saga.Erased,
	participantv1.OutcomeKind_OUTCOME_KIND_ANONYMISED: saga.Anonymised,
	participantv1.OutcomeKind_OUTCOME_KIND_NONE_FOUND: saga.NoneFound,
	participantv1.OutcomeKind_OUTCOME_KIND_RETAINED:   saga.Retained,
	participantv1.OutcomeKind_OUTCOME_KIND_FAILED:     saga.OutcomeFailed,
}

// KindOf returns the contract's name of an outcome.
func KindOf(k saga.OutcomeKind) participantv1.OutcomeKind {
	for c, s := range kinds {
		if s == k {
			return c
		}
	}
	return participantv1.OutcomeKind_OUTCOME_KIND_UNSPECIFIED
}

const categoryPrefix = "CATEGORY_"

// CategoryWord is the contract's name of a category as people are shown it: "content".
func CategoryWord(c optionsv1.Category) string {
	return strings.ToLower(strings.TrimPrefix(c.String(), categoryPrefix))
}

// CategoryOf is how a saga's row files an outcome: "content.tickets".
func CategoryOf(o *participantv1.Outcome) string {
	return CategoryWord(o.GetCategory()) + "." + o.GetResource()
}

// SplitCategory takes CategoryOf apart.
func SplitCategory(filed string) (optionsv1.Category, string) {
	category, resource, _ := strings.Cut(filed, ".")
	return optionsv1.Category(optionsv1.Category_value[categoryPrefix+strings.ToUpper(category)]), resource
}
