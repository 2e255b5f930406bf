// Package saga runs short, durable lists of steps across participants and
// knows nothing about people.
//
// A [Definition] is data: stages one after the other, the steps of a stage in
// parallel. What the engine knows of a run is one [Row]; recording a stage is
// exactly one conditional write of it. There is no replay and no history of
// payloads: rows, events and spans hold references and codes only.
//
// What the package promises:
//   - A step is asked until it answers. An unknown outcome (timeout, crash,
//     panic) is asked again with the same key and is never undone; only a
//     declared refusal before the pivot leads back.
//   - After the pivot the only way is forward, or a stop ([StateParked]) that a
//     person resumes with [Engine.Retry].
//   - A saga is completed only when every step is done and answered for
//     everything it must report.
//   - One owner at a time holds a saga by a lease; each claim raises its epoch.
//     What a former owner records is refused here, what it calls is refused by
//     participants, which compare (sequence, epoch, stage).
//
// What it leaves out: participants must be idempotent by [Call.Key], must refuse
// lower tokens, and must not do late, under the same token, what they have
// refused: a refused step is not undone. A step's function must return when its
// context ends.
package saga
