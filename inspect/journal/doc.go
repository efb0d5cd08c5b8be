// Package journal reads the files of systemd's journal, of which a system has a few:
// the entries of all of them, in the order in which they happened.
//
//	j := journal.New(files...)
//	for {
//		more, err := j.Next()
//		if err != nil || !more {
//			break
//		}
//		for field, err := range j.Fields(64 << 10) {
//			fmt.Printf("%s\n", field) // MESSAGE=Started
//		}
//	}
//
// The format is that of systemd's "Journal File Format". All its variants are read: the
// compact one, and fields that are compressed by XZ, LZ4 and Zstandard. Signatures and
// hashes are not checked.
//
// # Hostile files
//
// A file that was not closed, or is corrupt, is read up to the first entry that makes no
// sense. Every offset is checked, arrays of entries have to follow one another in the file
// so that none comes twice, an entry has at most 4,096 fields, and no more of a field is
// unpacked than was asked for.
package journal
