// Package sagamodel drives real saga engines through schedules: which of
// several replicas moves next, which write or call is lost, which process dies
// or stands still and for how long. One goroutine decides all of that, in a
// bubble of testing/synctest, so that the same schedule is the same run again.
//
// [Run] carries a schedule out and reports the first invariant that breaks;
// [Shrink] looks for a shorter schedule that breaks the same one. The calm
// choice of every turn is 0: faults stop where a schedule ends, and from there
// on the saga has to end by itself, with a person who retries what is parked.
package sagamodel
