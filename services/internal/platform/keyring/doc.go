// Package keyring keeps the keys that seal personal data, outside every
// database, so that destroying one is a plain overwrite of its bytes.
//
// A service has one key file and a mirror of it (File): fixed slots in groups
// of one page, each slot the key of one person, wrapped by the key of the
// person's account, which is wrapped by the master key of the installation
// (Master). The master key lies elsewhere than the data.
//
// What is promised:
//   - A key that Fill returned is in both files and on the disk.
//   - A key whose Destroy returned nil is in neither file, and is never handed
//     out again, after any crash.
//   - A write that tears a page loses no neighbour: the mirror is written only
//     after the key file has been synced, and Open heals one from the other.
//   - After a rotation, and once the old master key has been forgotten, copies
//     of the key file made before it open nothing.
//
// Errors of Open and OpenMaster are sentences that say what to do.
package keyring
