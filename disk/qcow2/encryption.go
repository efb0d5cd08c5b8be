package qcow2

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
)

const (
	encryptionAES  = "AES"
	encryptionLUKS = "LUKS"

	// maxEncryption is the longest header of LUKS, in bytes. QEMU's have 2 MiB, and 8 key
	// slots of the longest keys have 16 MiB.
	maxEncryption = 64 << 20
	// cipherPiece is how much is encrypted at a time, in bytes, as it needs a copy.
	cipherPiece = 1 << 20
)

// Encryption says how the disk is encrypted: it makes the image a [disk.Encrypted].
func (m *Image) Encryption() *disk.Encryption {
	if m.h.Encryption == "" {
		return nil
	}
	e := &disk.Encryption{Method: m.h.Encryption}
	if at := m.h.encryption; at.n > 0 {
		e.Header, e.HeaderSize = io.NewSectionReader(m.file, at.off, at.n), at.n
	}
	return e
}

// A stretch is a part of a device, as a device for a header.
type stretch struct {
	d      disk.Device
	off, n int64
}

func (s *stretch) ReadAt(p []byte, off int64) (int, error) {
	return io.NewSectionReader(s.d, s.off, s.n).ReadAt(p, off)
}

func (s *stretch) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > s.n || int64(len(p)) > s.n-off {
		return 0, io.ErrShortWrite
	}
	return s.d.WriteAt(p, s.off+off)
}

// Unlock gives the image its cipher.
func (m *Image) Unlock(c disk.SectorCipher) { m.cipher = c }

// locked returns an error if there is no cipher for an encrypted disk.
func (m *Image) locked() error {
	if m.h.Encryption != "" && m.cipher == nil {
		return fmt.Errorf("%w (%s), and there is no key for it", ErrEncrypted, m.h.Encryption)
	}
	return nil
}

// checkEncryption returns an error for an encrypted image that cannot be opened.
func (m *Image) checkEncryption(o Options) error {
	h := m.h
	switch {
	case h.Encryption == "":
		return nil
	case !o.Encrypted:
		return fmt.Errorf("%w (%s)", ErrEncrypted, h.Encryption)
	case h.Encryption == encryptionAES && o.Writable:
		return errors.New("images that are encrypted by the old method (AES) can only be read; QEMU's successor of it is LUKS")
	case h.Encryption == encryptionAES:
		return nil
	}
	e := h.encryption
	if e.off <= 0 || e.off&int64(h.ClusterSize-1) != 0 || e.n <= 0 || e.n > maxEncryption || e.off > m.file.Size()-e.n {
		return damaged("the header of the encryption has %d bytes at %d", e.n, e.off)
	}
	return nil
}

// cipherSector returns the number that a sector of the disk has for the cipher: that of its
// place in the file for LUKS, and that on the disk for the old method.
func (m *Image) cipherSector(off, host int64) uint64 {
	if m.h.Encryption == encryptionAES {
		return uint64(off) / sectorSize
	}
	return uint64(host) / sectorSize
}

// readCipher is readData of an encrypted image. It need not be asked for whole sectors.
func (m *Image) readCipher(p []byte, off, host int64) error {
	for len(p) > 0 {
		in := host % sectorSize
		n := min(int64(len(p)), cipherPiece-in)
		b := p[:n]
		if whole := (in + n + sectorSize - 1) &^ (sectorSize - 1); in != 0 || whole != n {
			b = make([]byte, whole)
		}
		if err := m.readPlain(b, host-in); err != nil {
			return err
		}
		if err := m.cipher.Decrypt(b, m.cipherSector(off-in, host-in)); err != nil {
			return err
		}
		if int64(len(b)) != n || in != 0 {
			copy(p[:n], b[in:])
		}
		p, off, host = p[n:], off+n, host+n
	}
	return nil
}

// writeData writes to clusters that are the disk's from off on.
func (m *Image) writeData(p []byte, off, host int64) (int, error) {
	if m.cipher == nil {
		return m.data.WriteAt(p, host)
	}
	if host%sectorSize != 0 || len(p)%sectorSize != 0 {
		return 0, fmt.Errorf("%d bytes at %d of an encrypted disk, which are not whole sectors: %w", len(p), off, unix.EINVAL)
	}
	done := 0
	for done < len(p) {
		b := bytes.Clone(p[done:min(len(p), done+cipherPiece)])
		at := int64(done)
		if err := m.cipher.Encrypt(b, m.cipherSector(off+at, host+at)); err != nil {
			return done, err
		}
		n, err := m.data.WriteAt(b, host+at)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
