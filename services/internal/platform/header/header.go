// Package header names the metadata that services and gateway exchange beside
// messages, so that both ends spell it the same.
package header

// Replayed is set on the answer of a call that an idempotency key has shown to
// be a repeat: what it answers was made before.
const Replayed = "lethe-replayed"
