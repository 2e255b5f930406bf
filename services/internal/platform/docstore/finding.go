package docstore

import (
	"errors"
	"slices"
)

// ErrDamaged means that a store's files are not what a store's files are: a page
// is unreadable, or the file is none of Lethe's. Only a check answers it.
var ErrDamaged = errors.New("the store is damaged")

// Flaw is what is wrong with a finding of a check.
type Flaw string

// The flaws a store can have, whatever it keeps. Services have further ones of their own.
const (
	// FlawStore is damage of the database file itself.
	FlawStore Flaw = "store_damaged"
	// FlawUnbuilt is an index over sealed fields whose building was interrupted.
	FlawUnbuilt Flaw = "index_unbuilt"

	// FlawKeyMissing is a living subject whose key is not in its slot.
	FlawKeyMissing Flaw = "key_missing"
	// FlawKeyUnreadable is a slot that is damaged in the key file and in its mirror.
	FlawKeyUnreadable Flaw = "key_unreadable"
	// FlawKeyMirror is a slot or a file that differs between the key file and its mirror.
	FlawKeyMirror Flaw = "key_mirror_differs"
	// FlawKeyEpoch is a key that is still wrapped by a master key of an earlier epoch.
	FlawKeyEpoch Flaw = "key_epoch"
	// FlawKeyFiles are key files that this master key does not open.
	FlawKeyFiles Flaw = "key_files_unusable"
	// FlawKeySurvives is a key in the key file, or in its mirror, which nobody has: destroyed, and still there.
	FlawKeySurvives Flaw = "key_survives"
	// FlawKeyKept is a tombstone whose key was not destroyed, or which still names a slot.
	FlawKeyKept Flaw = "tombstone_with_key"
	// FlawModes is a subject whose modes, by which queries go, are not those of its fences.
	FlawModes Flaw = "fences_wrong"
	// FlawDestroying is a subject under erasure whose key is gone and whose ring entry does not say so yet.
	FlawDestroying Flaw = "destruction_unfinished"
	// FlawSlotShared is a slot that two subjects have.
	FlawSlotShared Flaw = "slot_shared"
	// FlawSlotFree is a slot that somebody has and that is offered to others.
	FlawSlotFree Flaw = "slot_free_and_taken"
	// FlawSlotLost is a slot that is taken by nobody, or a subject's slot that is not known.
	FlawSlotLost Flaw = "slot_lost"

	// FlawOwner is a document whose owner has no ring entry.
	FlawOwner Flaw = "owner_unknown"
	// FlawStraggler is a document of a tombstone.
	FlawStraggler Flaw = "document_of_tombstone"
	// FlawUnswept is a document whose key is destroyed and which waits for the sweep.
	FlawUnswept Flaw = "sweep_unfinished"
	// FlawOtherKey is a document sealed with a key that is not its owner's.
	FlawOtherKey Flaw = "sealed_with_other_key"
	// FlawUnopened is a part that does not open under its owner's key.
	FlawUnopened Flaw = "part_does_not_open"
	// FlawUndecoded is a part that opens and cannot be decoded.
	FlawUndecoded Flaw = "part_cannot_be_decoded"
	// FlawRevision is a revision or seal version below 1.
	FlawRevision Flaw = "revision_wrong"
	// FlawTags are hashes in an index over sealed fields that are not those of the document.
	FlawTags Flaw = "index_wrong"
	// FlawTagsLeft are entries of an index whose document is gone.
	FlawTagsLeft Flaw = "index_left_behind"

	// FlawClaimVoid is a claim whose holder is a tombstone.
	FlawClaimVoid Flaw = "claim_of_tombstone"
	// FlawClaimIdle is a claim whose holder does not have the value, or was never written.
	FlawClaimIdle Flaw = "claim_unused"
	// FlawClaimMissing is a value that has to be unique and that its holder has not claimed.
	FlawClaimMissing Flaw = "claim_missing"
	// FlawSequence is a sequence that will give a number once more.
	FlawSequence Flaw = "sequence_behind"
)

// harmless are the flaws that the next start or an operation under way takes away.
var harmless = []Flaw{FlawUnbuilt, FlawKeyEpoch, FlawDestroying, FlawUnswept, FlawClaimVoid, FlawClaimIdle}

// Finding is something a check has found. It says where, never what stands there.
type Finding struct {
	Flaw Flaw
	// Warning says that nothing is lost and nothing is kept that should not be.
	Warning bool
	// Collection is where it was found; empty for the ring, the keys and the store as a whole.
	Collection string
	// Account and ID are of a document, or of a subject in the ring; 0 where there is none.
	Account, ID int64
	// Slot is a place in the key file, NoSlot where it is none.
	Slot int64
	// Detail names an index, a sequence or a place in a file; of a database error it is what the database said.
	Detail string
}

// NewFinding returns a finding that is about no slot, a warning where the flaw is a harmless one.
func NewFinding(f Flaw, collection string, account, id int64) Finding {
	return Finding{Flaw: f, Warning: slices.Contains(harmless, f), Collection: collection, Account: account, ID: id, Slot: NoSlot}
}

// Watch gets what a check sees.
type Watch struct {
	// Found gets each finding.
	Found func(Finding)
	// Progress is told how far a part of the check has come, by the part's name; total is 0 when it is not known. May be nil.
	Progress func(part string, done, total int64)
}

func (w Watch) progress(part string, done, total int64) {
	if w.Progress != nil {
		w.Progress(part, done, total)
	}
}
