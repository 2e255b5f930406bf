package route

import (
	"slices"
	"testing"

	_ "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func method(t *testing.T, service, name string) protoreflect.MethodDescriptor {
	t.Helper()
	md, err := Method(service, name)
	if err != nil {
		t.Fatal(err)
	}
	return md
}

const agents = "lethe.contacts.v1.AgentsService"

func TestLiteralsComeBeforeVariables(t *testing.T) {
	var table Table
	for _, template := range []string{"/api/v2/agents/{id}", "/api/v2/agents/me", "/api/v2/agents/{id}/keys", "/api/v2/agents/me/x"} {
		name := "GetAgent"
		if template == "/api/v2/agents/me" || template == "/api/v2/agents/me/x" {
			name = "GetMe"
		}
		r, err := New("GET", template, method(t, agents, name))
		if err != nil {
			t.Fatal(err)
		}
		if err = table.Add(r); err != nil {
			t.Fatal(err)
		}
		if table.Add(r) == nil {
			t.Error("a route was taken twice")
		}
	}
	for path, want := range map[string]string{
		"/api/v2/agents/me": "/api/v2/agents/me", "/api/v2/agents/7": "/api/v2/agents/{id}", "/api/v2/agents/me/keys": "/api/v2/agents/{id}/keys", "/api/v2/agents/me/x/": "/api/v2/agents/me/x",
	} {
		m, ok := table.Find(path)
		if !ok || m.Any().Template != want {
			t.Errorf("%s: %v", path, m)
		}
	}
	for _, path := range []string{"", "/", "/api", "/api/v2/agents", "/api/v2/agents/7/keys/1", "/api/v2/agents/7//"} {
		if _, ok := table.Find(path); ok {
			t.Errorf("%q was found", path)
		}
	}
	m, _ := table.Find("/api/v2/agents/me/keys")
	if !slices.Equal(m.Values, []string{"me"}) || !slices.Equal(m.Verbs(), []string{"GET"}) || m.Route("PUT") != nil {
		t.Errorf("%+v", m)
	}
	if _, ok := m.Route("GET").Bind(m.Values); ok {
		t.Error("a word was taken for a number")
	}
	if _, ok := m.Route("GET").Bind(nil); ok {
		t.Error("nothing was taken for a number")
	}
}

func TestWhatTheContractSays(t *testing.T) {
	routes, err := Of("lethe.contacts.v1.ContactsService")
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*Route{}
	for _, r := range routes {
		byName[string(r.Method.Name())] = r
	}
	if len(routes) != 4 || byName["ResolvePeople"] != nil {
		t.Errorf("%d routes", len(routes))
	}
	c := byName["CreateContact"]
	if c.Status() != 201 || c.Body == nil || c.Answer == nil || c.Idempotency == nil || c.Mask != nil || c.More != nil || len(c.Query) != 0 || c.Rest.GetLocation() != "/api/v2/contacts/{id}" {
		t.Errorf("%+v", c)
	}
	l := byName["ListContacts"]
	if l.Status() != 200 || l.More == nil || l.Query["email"] == nil || l.Body != nil {
		t.Errorf("%+v", l)
	}
	u := byName["UpdateContact"]
	if u.Mask == nil || u.Query["id"] != nil || u.FullMethod != "/lethe.contacts.v1.ContactsService/UpdateContact" {
		t.Errorf("%+v", u)
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	if _, err := New("GET", "/a/{nope}", method(t, agents, "GetAgent")); err == nil {
		t.Error("a variable without a field")
	}
	for _, service := range []string{"lethe.contacts.v1.Nope", "lethe.contacts.v1.Contact"} {
		if _, err := Of(service); err == nil {
			t.Errorf("%s is a service", service)
		}
	}
	for _, name := range []string{"Nope", ""} {
		if _, err := Method(agents, name); err == nil {
			t.Errorf("%q is a method", name)
		}
	}
}
