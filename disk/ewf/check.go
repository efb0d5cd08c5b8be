package ewf

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"errors"
	"fmt"

	"github.com/unboot/unboot/disk"
)

// Check reads all of the disk, and compares it with the hash sums that the image has, as
// ewfverify(1). It repairs nothing. An image of several segments needs [CheckSegments].
func Check(d disk.Device, path string, _ disk.Repair) (disk.CheckResult, error) {
	return CheckSegments(d, path, nil)
}

// CheckSegments is Check of an image whose other segments are opened by refer.
func CheckSegments(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (r disk.CheckResult, err error) {
	m, err := New(d, path, refer)
	if err != nil {
		return r, err
	}
	defer func() { // d is the caller's
		for _, other := range m.Others {
			err = errors.Join(err, other.Close())
		}
	}()
	return m.Verify()
}

// Verify reads all of the disk, and compares it with the hash sums that the image has. A
// chunk that cannot be read is one error.
func (m *Image) Verify() (r disk.CheckResult, err error) {
	problem := func(format string, args ...any) {
		if r.Errors++; len(r.Problems) < disk.MaxProblems {
			r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
		}
	}
	m5, s1 := md5.New(), sha1.New()
	b := make([]byte, m.volume.chunk)
	for off := int64(0); off < m.Bytes; off += int64(len(b)) {
		b = b[:min(m.volume.chunk, m.Bytes-off)]
		chunk := off / m.volume.chunk
		if err := m.readChunk(b, chunk); errors.Is(err, ErrDamaged) {
			problem("%v", err)
			if _, err := m.table(chunk); err != nil {
				break // there are no more
			}
			continue
		} else if err != nil {
			return r, m.Wrap("read", err)
		}
		m5.Write(b)
		s1.Write(b)
	}
	if r.Errors > 0 {
		return r, nil
	}
	if sum := m5.Sum(nil); m.hashes.MD5 != nil && !bytes.Equal(sum, m.hashes.MD5) {
		problem("the disk has the MD5 %x, not %x", sum, m.hashes.MD5)
	}
	if sum := s1.Sum(nil); m.hashes.SHA1 != nil && !bytes.Equal(sum, m.hashes.SHA1) {
		problem("the disk has the SHA-1 %x, not %x", sum, m.hashes.SHA1)
	}
	return r, nil
}
