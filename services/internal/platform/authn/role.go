package authn

import (
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
)

// Role is what a caller is. Rights hang on roles, and on nothing else.
type Role string

// The roles there are.
const (
	// RoleContact is a person the desk helps; sees own data only, which the methods themselves check.
	RoleContact Role = "contact"
	// RoleAgent works on tickets.
	RoleAgent Role = "agent"
	// RoleSupervisor leads agents and may soft delete people.
	RoleSupervisor Role = "supervisor"
	// RoleAdmin runs the account.
	RoleAdmin Role = "admin"
	// RolePrivacyOfficer handles requests of people about their data.
	RolePrivacyOfficer Role = "privacy_officer"
	// RoleManagement opens archives and looks at the privacy work.
	RoleManagement Role = "management"
	// RoleService is a service of the suite.
	RoleService Role = "service"
	// RoleLink is the bearer of a link to one object; methods that take it check the object themselves.
	RoleLink Role = "link"
	// RoleInstallation is the operator of the installation.
	RoleInstallation Role = "installation"
)

// PrivacyService is the name of the one service that may talk to participants.
const PrivacyService = "privacy"

type permissions map[optionsv1.Permission]bool

func permit(ps ...optionsv1.Permission) permissions {
	m := permissions{}
	for _, p := range ps {
		m[p] = true
	}
	return m
}

// rights is the whole table of who may do what. PERMISSION_PUBLIC needs no
// row: it needs no identity.
var rights = map[Role]permissions{
	RoleContact: permit(optionsv1.Permission_PERMISSION_AUTHENTICATED),
	RoleAgent: permit(
		optionsv1.Permission_PERMISSION_AUTHENTICATED,
		optionsv1.Permission_PERMISSION_CONTACTS_READ, optionsv1.Permission_PERMISSION_CONTACTS_WRITE,
		optionsv1.Permission_PERMISSION_AGENTS_READ,
		optionsv1.Permission_PERMISSION_TICKETS_READ, optionsv1.Permission_PERMISSION_TICKETS_WRITE,
		optionsv1.Permission_PERMISSION_FORUMS_READ, optionsv1.Permission_PERMISSION_FORUMS_WRITE,
		optionsv1.Permission_PERMISSION_SOLUTIONS_READ, optionsv1.Permission_PERMISSION_SOLUTIONS_WRITE,
		optionsv1.Permission_PERMISSION_RATINGS_READ, optionsv1.Permission_PERMISSION_RATINGS_WRITE,
		optionsv1.Permission_PERMISSION_REQUESTS_RAISE,
	),
	RoleSupervisor: permit(
		optionsv1.Permission_PERMISSION_AUTHENTICATED,
		optionsv1.Permission_PERMISSION_CONTACTS_READ, optionsv1.Permission_PERMISSION_CONTACTS_WRITE,
		optionsv1.Permission_PERMISSION_AGENTS_READ,
		optionsv1.Permission_PERMISSION_TICKETS_READ, optionsv1.Permission_PERMISSION_TICKETS_WRITE,
		optionsv1.Permission_PERMISSION_PRIVACY_DELETE,
		optionsv1.Permission_PERMISSION_FORUMS_READ, optionsv1.Permission_PERMISSION_FORUMS_WRITE,
		optionsv1.Permission_PERMISSION_SOLUTIONS_READ, optionsv1.Permission_PERMISSION_SOLUTIONS_WRITE,
		optionsv1.Permission_PERMISSION_RATINGS_READ, optionsv1.Permission_PERMISSION_RATINGS_WRITE,
		optionsv1.Permission_PERMISSION_REQUESTS_RAISE,
	),
	RoleAdmin: permit(
		optionsv1.Permission_PERMISSION_AUTHENTICATED,
		optionsv1.Permission_PERMISSION_CONTACTS_READ, optionsv1.Permission_PERMISSION_CONTACTS_WRITE,
		optionsv1.Permission_PERMISSION_AGENTS_READ, optionsv1.Permission_PERMISSION_AGENTS_WRITE,
		optionsv1.Permission_PERMISSION_TICKETS_READ, optionsv1.Permission_PERMISSION_TICKETS_WRITE,
		optionsv1.Permission_PERMISSION_PRIVACY_DELETE, optionsv1.Permission_PERMISSION_PRIVACY_EXPORT,
		optionsv1.Permission_PERMISSION_ERASURE_DIRECT, optionsv1.Permission_PERMISSION_PRIVACY_READ,
		optionsv1.Permission_PERMISSION_PRIVACY_OPERATE,
		optionsv1.Permission_PERMISSION_FORUMS_READ, optionsv1.Permission_PERMISSION_FORUMS_WRITE,
		optionsv1.Permission_PERMISSION_SOLUTIONS_READ, optionsv1.Permission_PERMISSION_SOLUTIONS_WRITE,
		optionsv1.Permission_PERMISSION_RATINGS_READ, optionsv1.Permission_PERMISSION_RATINGS_WRITE,
		optionsv1.Permission_PERMISSION_RATINGS_ADMIN, optionsv1.Permission_PERMISSION_REQUESTS_RAISE,
		optionsv1.Permission_PERMISSION_REQUESTS_DECIDE,
	),
	RolePrivacyOfficer: permit(
		optionsv1.Permission_PERMISSION_AUTHENTICATED,
		optionsv1.Permission_PERMISSION_CONTACTS_READ, optionsv1.Permission_PERMISSION_AGENTS_READ,
		optionsv1.Permission_PERMISSION_TICKETS_READ,
		optionsv1.Permission_PERMISSION_PRIVACY_DELETE, optionsv1.Permission_PERMISSION_PRIVACY_EXPORT,
		optionsv1.Permission_PERMISSION_ERASURE_DIRECT, optionsv1.Permission_PERMISSION_PRIVACY_READ,
		optionsv1.Permission_PERMISSION_PRIVACY_OPERATE,
		optionsv1.Permission_PERMISSION_FORUMS_READ, optionsv1.Permission_PERMISSION_SOLUTIONS_READ,
		optionsv1.Permission_PERMISSION_RATINGS_READ, optionsv1.Permission_PERMISSION_REQUESTS_RAISE,
		optionsv1.Permission_PERMISSION_REQUESTS_DECIDE,
	),
	RoleManagement: permit(
		optionsv1.Permission_PERMISSION_AUTHENTICATED, optionsv1.Permission_PERMISSION_PRIVACY_READ,
	),
	RoleService: permit(
		optionsv1.Permission_PERMISSION_AUTHENTICATED, optionsv1.Permission_PERMISSION_SERVICE,
		optionsv1.Permission_PERMISSION_PARTICIPANT,
		optionsv1.Permission_PERMISSION_CONTACTS_READ, optionsv1.Permission_PERMISSION_CONTACTS_WRITE,
		optionsv1.Permission_PERMISSION_AGENTS_READ, optionsv1.Permission_PERMISSION_TICKETS_READ,
		optionsv1.Permission_PERMISSION_FORUMS_READ, optionsv1.Permission_PERMISSION_RATINGS_READ,
	),
	RoleLink: permit(),
	RoleInstallation: permit(
		optionsv1.Permission_PERMISSION_AUTHENTICATED, optionsv1.Permission_PERMISSION_INSTALLATION,
	),
}

// reading are the permissions of methods that change nothing that outlasts the
// caller: following a discussion is the follower's own, and goes with them.
var reading = permit(
	optionsv1.Permission_PERMISSION_PUBLIC, optionsv1.Permission_PERMISSION_AUTHENTICATED,
	optionsv1.Permission_PERMISSION_CONTACTS_READ, optionsv1.Permission_PERMISSION_AGENTS_READ,
	optionsv1.Permission_PERMISSION_TICKETS_READ, optionsv1.Permission_PERMISSION_PRIVACY_READ,
	optionsv1.Permission_PERMISSION_FORUMS_READ, optionsv1.Permission_PERMISSION_SOLUTIONS_READ,
	optionsv1.Permission_PERMISSION_RATINGS_READ,
)

// Writes reports whether methods with a permission may change something; every
// permission does that is not known to only read.
func Writes(p optionsv1.Permission) bool { return !reading[p] }

// Known reports whether there is such a role.
func (r Role) Known() bool {
	_, ok := rights[r]
	return ok
}

// FirstAccount is the account of whoever runs the installation; its
// administrators make the further accounts.
const FirstAccount = 1

// May reports whether the caller has a right. Participants obey privacy alone,
// so that right needs the service's name besides its role; accounts are made by
// the administrators of the first one.
func (i Identity) May(p optionsv1.Permission) bool {
	switch p {
	case optionsv1.Permission_PERMISSION_UNSPECIFIED:
		return false
	case optionsv1.Permission_PERMISSION_PUBLIC:
		return true
	case optionsv1.Permission_PERMISSION_INSTALLATION:
		if i.Role == RoleAdmin && i.Account == FirstAccount {
			return true
		}
	case optionsv1.Permission_PERMISSION_PARTICIPANT:
		if i.Service != PrivacyService {
			return false
		}
	}
	return rights[i.Role][p]
}
