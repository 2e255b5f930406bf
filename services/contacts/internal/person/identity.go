package person

import (
	"slices"
	"time"
)

// Account is one company's desk.
type Account struct {
	ID        int64
	Name      string
	CreatedAt time.Time
	// Mark is of the idempotency key under which it was made; empty without one.
	Mark string
}

// FirstAccount is the account every installation begins with.
const FirstAccount int64 = 1

// Key is the record of an agent's API key, without the secret.
type Key struct {
	Account, ID, AgentID int64
	CreatedAt            time.Time
}

// Lookup leads from the hash of an API key to whose it is.
type Lookup struct {
	ID                      int64
	Hash                    string
	Account, AgentID, KeyID int64
}

// Installation is what the service remembers of its own first start.
type Installation struct {
	// Pepper is the secret under which API keys are hashed.
	Pepper []byte
	// AdminID, KeyID and LookupID are drawn before the first admin is made, so a start that crashed is continued.
	AdminID, KeyID, LookupID int64
	// AdminKeyHash is the hash of the first admin's key; empty until the first start is complete.
	AdminKeyHash string
	// Origin is the store's memory of what it read.
	Origin any
}

// The role ids of an agent, in the numbers REST clients use.
const (
	RoleAccountAdmin   int64 = 1
	RoleAdmin          int64 = 2
	RoleSupervisor     int64 = 3
	RoleAgent          int64 = 4
	RolePrivacyOfficer int64 = 5
	RoleManagement     int64 = 6
)

// byStrength orders roles: an identity has one role, and the first of these wins.
var byStrength = []int64{RoleAccountAdmin, RoleAdmin, RolePrivacyOfficer, RoleSupervisor, RoleAgent, RoleManagement}

// Strongest returns the role id that decides an agent's identity; an agent's when there is none known.
func Strongest(roles []int64) int64 {
	for _, r := range byStrength {
		if slices.Contains(roles, r) {
			return r
		}
	}
	return RoleAgent
}

// KnownRole reports whether there is such a role.
func KnownRole(id int64) bool { return slices.Contains(byStrength, id) }
