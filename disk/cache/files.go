package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The file of the map has a header, and then a record of 8 bytes for each block: a word that
// says that it is there, and its checksum.
const (
	mapMagic   = "unboot block cache 1\n"
	headerSize = 4096
	recordSize = 8
	present    = 0x6b636f6c
	// nameLength is how many digits the names of files have.
	nameLength = 32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// files is a store in files of the host. What cannot be kept is fetched again, so that
// errors of these files are no concern of those who read.
type files struct {
	blocks, table *os.File
	size, block   int64
	full          bool // the host's file system is, or the folder has as much as it may
	bound         bound
}

// openFiles opens the files for an address, which are begun anew if they are for another
// version of what is there.
func openFiles(dir, address, identity string, size, block, most int64) (*files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(address))
	base := filepath.Join(dir, hex.EncodeToString(sum[:nameLength/2]))
	// Two processes must not begin the same files.
	lock, err := lockFile(base+".lock", unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	touch(base)
	version := sha256.Sum256(fmt.Appendf(nil, "%q %d %d", identity, size, block))
	header := make([]byte, headerSize)
	copy(header[copy(header, mapMagic):], version[:])
	s := &files{size: size, block: block, bound: bound{dir: dir, own: base, most: most}}
	defer s.bound.enforce(0)
	if s.open(base, os.O_RDWR) == nil && s.is(header) {
		return s, nil
	}
	s.close()
	// New files: others may be reading the old ones.
	for _, name := range []string{base + ".map", base + ".blocks"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	if err := s.open(base, os.O_RDWR|os.O_CREATE|os.O_EXCL); err != nil {
		return nil, err
	}
	if err = s.blocks.Truncate(size); err == nil {
		_, err = s.table.WriteAt(header, 0)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *files) open(base string, flag int) (err error) {
	if s.blocks, err = os.OpenFile(base+".blocks", flag|unix.O_NOFOLLOW, 0o600); err != nil {
		return err
	}
	if s.table, err = os.OpenFile(base+".map", flag|unix.O_NOFOLLOW, 0o600); err != nil {
		s.blocks.Close()
	}
	return err
}

// is reports whether the files have a header.
func (s *files) is(header []byte) bool {
	b := make([]byte, len(header))
	st, err := s.blocks.Stat()
	if err != nil || st.Size() != s.size {
		return false
	}
	_, err = s.table.ReadAt(b, 0)
	return err == nil && string(b) == string(header)
}

// record returns the checksum of a block, if that is there.
func (s *files) record(i int64) (sum uint32, ok bool) {
	var b [recordSize]byte
	_, err := s.table.ReadAt(b[:], headerSize+i*recordSize)
	return binary.LittleEndian.Uint32(b[4:]), err == nil && binary.LittleEndian.Uint32(b[:]) == present
}

func (s *files) has(i int64) bool {
	_, ok := s.record(i)
	return ok
}

func (s *files) get(i int64, p []byte, off int) bool {
	sum, ok := s.record(i)
	if !ok {
		return false
	}
	b := make([]byte, min(s.block, s.size-i*s.block))
	if _, err := s.blocks.ReadAt(b, i*s.block); err != nil || crc32.Checksum(b, castagnoli) != sum {
		s.drop(i)
		return false
	}
	copy(p, b[off:])
	return true
}

func (s *files) put(i int64, b []byte) {
	if s.full {
		return
	}
	if !s.bound.spend(int64(len(b))) {
		s.full = true
		return
	}
	if _, err := s.blocks.WriteAt(b, i*s.block); err != nil {
		s.full = true
		s.drop(i)
		return
	}
	var r [recordSize]byte
	binary.LittleEndian.PutUint32(r[:], present)
	binary.LittleEndian.PutUint32(r[4:], crc32.Checksum(b, castagnoli))
	if _, err := s.table.WriteAt(r[:], headerSize+i*recordSize); err != nil {
		s.full = true
	}
}

func (s *files) drop(i int64) {
	s.table.WriteAt(make([]byte, recordSize), headerSize+i*recordSize)
}

func (s *files) close() error {
	if s.blocks != nil {
		touch(s.bound.own)
	}
	var errs []error
	for _, f := range []*os.File{s.blocks, s.table} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	s.blocks, s.table = nil, nil
	return errors.Join(errs...)
}
