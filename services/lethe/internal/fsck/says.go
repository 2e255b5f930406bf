package fsck

import "github.com/lethe-desk/lethe/services/internal/platform/docstore"

// backup is what to do about what no program can make good.
const backup = "put back keys and database of this service from one backup"

// sayings tell what each flaw means and what to do about it.
var sayings = map[docstore.Flaw]string{
	"store_damaged":          "the database file is damaged; " + backup,
	"index_unbuilt":          "an index over sealed fields was being built; the next start goes on with it",
	"key_missing":            "a key that should be there is not in the key file; what it sealed cannot be read; " + backup,
	"key_unreadable":         "a slot is damaged in the key file and in its mirror; " + backup,
	"key_mirror_differs":     "the key file and its mirror differ; the next start heals the one from the other",
	"key_epoch":              "keys are wrapped by an earlier master key; run lethe keys rotate, which carries the rotation through",
	"key_files_unusable":     "the key files do not fit this master key or cannot be read; give the right one with --master-key, or " + backup,
	"key_survives":           "a key that nobody has is still in the key file or in its mirror: if it was destroyed, what it sealed can be read again; renew all keys with lethe keys rotate and destroy older copies",
	"tombstone_with_key":     "an erased person's key was not destroyed; erase the person again",
	"fences_wrong":           "what queries go by does not say what fences stand on a person, so somebody hidden may be seen; " + backup,
	"destruction_unfinished": "an erasure was stopped while it destroyed a key; the next start goes on with it",
	"slot_shared":            "two people have the same place in the key file, so erasing one makes the other unreadable; " + backup,
	"slot_free_and_taken":    "a person's place in the key file is offered to others; " + backup,
	"slot_lost":              "the ring and the list of places in the key file do not agree; " + backup,
	"owner_unknown":          "a document's owner is not in the ring, so nobody can read or erase it; " + backup,
	"document_of_tombstone":  "a document of an erased person is still there; its key is gone, so it is noise, but no erasure has counted it",
	"sweep_unfinished":       "a document whose key is destroyed waits for the sweep of its erasure, which the next start goes on with",
	"sealed_with_other_key":  "a document is sealed with a key that is not its owner's; " + backup,
	"part_does_not_open":     "a document was changed outside of Lethe or is damaged; " + backup,
	"part_cannot_be_decoded": "a document opens and is not what its type says; was it written by another version?",
	"revision_wrong":         "a document's revision is none that Lethe writes; " + backup,
	"index_wrong":            "an index does not hold what the document says, so searches miss or wrongly find it; " + backup,
	"index_left_behind":      "an index still names a document that is gone; " + backup,
	"claim_of_tombstone":     "an address is claimed by an erased person; it is free for anybody, and the sweep or the next claim removes it",
	"claim_unused":           "a value is claimed by somebody who does not have it; whoever wants it gets it",
	"claim_missing":          "a value that has to be unique is not claimed by the person who has it, so another may get it; save that person again",
	"sequence_behind":        "a number that is in use would be given again; " + backup,

	"blob_missing":    "a file's bytes are not there; put back the blobs of this service from a backup",
	"blob_size":       "a file's bytes are not as many as they should be; put back the blobs of this service from a backup",
	"blob_orphan":     "bytes that no document names; nobody has their key, and the daily sweep removes them",
	"blob_unfinished": "an upload that was killed left a file behind; nobody has its key, and the daily sweep removes it",

	"saga_unknown":         "a saga that has not ended cannot be read, or this version does not know its kind: start the version that began it",
	"saga_parked":          "a saga waits for a person; look with lethe saga show and go on with lethe saga retry",
	"request_without_saga": "a request is said to be under way and has no saga; " + backup,
	"export_overdue":       "an archive is offered after its time; it ends when the suite starts",

	FlawLeftover: "a file that was to take another's place when its program was killed; the next start removes it",
}

// Says returns what a flaw means and what to do about it.
func Says(f docstore.Flaw) string { return sayings[f] }
