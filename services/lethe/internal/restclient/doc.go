// Package restclient is a small client of Lethe's REST API for the operator's
// commands: JSON over net/http with an agent's API key, errors as *Error,
// retries where repeating is safe, and server-sent events that continue where
// they broke off.
//
// Errors never hold a personal value: they carry the API's codes and messages,
// the route and the request id, and neither the body sent nor the query.
package restclient
