package obs

// The keys a log line or a span may carry. A key that is not here is replaced,
// with its value, before anything is written; add it here, and only for what
// can hold no personal value.
const (
	KeyRequestID  = "request_id"  // number of the call, from the edge on
	KeyTraceID    = "trace_id"    // trace the line belongs to
	KeySpanID     = "span_id"     // span the line belongs to
	KeyService    = "service"     // name of the service
	KeyVersion    = "version"     // build
	KeyMethod     = "method"      // full name of the called method
	KeyRoute      = "route"       // route pattern of a REST call, never its path
	KeyVerb       = "verb"        // HTTP verb
	KeyStatus     = "status"      // HTTP status
	KeyCode       = "code"        // gRPC code
	KeyKind       = "kind"        // kind of a fault, a saga or a request
	KeyReason     = "reason"      // reason from the contract
	KeyFields     = "fields"      // contract names of fields
	KeyIncident   = "incident"    // number the caller was told
	KeyCause      = "cause"       // text of an internal error
	KeyError      = "error"       // text of an error
	KeyStack      = "stack"       // stack of a panic
	KeyDurationMS = "duration_ms" // milliseconds
	KeyAccount    = "account"     // account id
	KeyActor      = "actor"       // id of who acts
	KeyRole       = "role"        // role of who acts
	KeySubject    = "subject"     // id of the person it is about
	KeyID         = "id"          // id of the thing
	KeyResource   = "resource"    // resource from the contract
	KeyCategory   = "category"    // category from the contract
	KeyStep       = "step"        // step of a start or a saga
	KeyStage      = "stage"       // stage of a saga
	KeyState      = "state"       // state of a saga or request
	KeySaga       = "saga"        // saga id
	KeyRequest    = "request"     // id of a request
	KeyAttempt    = "attempt"     // how many times tried
	KeyEpoch      = "epoch"       // lease epoch
	KeySequence   = "sequence"    // sequence of a token
	KeyDue        = "due"         // time at which something is due
	KeyMode       = "mode"        // fence mode
	KeyOutcome    = "outcome"     // a participant's answer
	KeyCount      = "count"       // how many
	KeyBytes      = "bytes"       // how much
	KeyAddress    = "address"     // host and port listened on or called
	KeyFile       = "file"        // path of a file of the installation
	KeyName       = "name"        // name of a component
	KeyCollection = "collection"  // collection of the store
	KeyOperation  = "operation"   // operation of the store
	KeyPanic      = "panic"       // type of a panic's value
	KeyMessage    = "message"     // a message of the contract, redacted
)

// allowed holds the keys above and those of OpenTelemetry's conventions that
// say nothing about people.
var allowed = set(
	KeyRequestID, KeyTraceID, KeySpanID, KeyService, KeyVersion, KeyMethod, KeyRoute, KeyVerb, KeyStatus, KeyCode, KeyKind, KeyReason,
	KeyFields, KeyIncident, KeyCause, KeyError, KeyStack, KeyDurationMS, KeyAccount, KeyActor, KeyRole, KeySubject, KeyID, KeyResource,
	KeyCategory, KeyStep, KeyStage, KeyState, KeySaga, KeyRequest, KeyAttempt, KeyEpoch, KeySequence, KeyDue, KeyMode, KeyOutcome,
	KeyCount, KeyBytes, KeyAddress, KeyFile, KeyName, KeyCollection, KeyOperation, KeyPanic, KeyMessage,
	"service.name", "service.version",
	"rpc.system", "rpc.system.name", "rpc.service", "rpc.method", "rpc.grpc.status_code", "rpc.response.status_code",
	"http.request.method", "http.response.status_code", "http.route",
	"server.address", "server.port", "network.transport", "network.type", "network.protocol.name", "network.protocol.version", "url.scheme",
	"error.type", "db.system.name", "db.collection.name", "db.operation.name",
	"saga.id", "saga.kind", "saga.state", "saga.step", "saga.attempt", "saga.epoch", "saga.undo", "saga.code",
	"message.type", "message.id", "message.uncompressed_size",
)

// Allowed reports whether a key may be written to logs and spans.
func Allowed(key string) bool {
	_, ok := allowed[key]
	return ok
}

func set(keys ...string) map[string]struct{} {
	m := make(map[string]struct{}, len(keys))
	for _, k := range keys {
		m[k] = struct{}{}
	}
	return m
}
