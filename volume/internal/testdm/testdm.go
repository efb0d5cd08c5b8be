// Package testdm reads volumes by their tables as the device mapper does, for tests: what
// a plan says is compared with what other tools show, without a kernel.
package testdm

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/unboot/unboot/volume"
)

// Read returns n bytes of a volume at an offset; both are multiples of the sectors in which
// it is encrypted.
func Read(b volume.Base, off, n int64) ([]byte, error) {
	if m, ok := b.(*volume.Member); ok {
		p := make([]byte, n)
		if got, err := m.R.ReadAt(p, off); got < len(p) {
			return nil, fmt.Errorf("read %s at %d: %w", m.Name, off, err)
		}
		return p, nil
	}
	v := b.(*volume.Volume)
	var all []byte
	for _, t := range v.Table {
		start := max(off, t.Start*volume.SectorSize)
		end := min(off+n, (t.Start+t.Length)*volume.SectorSize)
		if start >= end {
			continue
		}
		if start != off+int64(len(all)) {
			return nil, fmt.Errorf("%s: a hole in the table at %d", v.Name, off+int64(len(all)))
		}
		p, err := target(t, start-t.Start*volume.SectorSize, end-start)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.Name, err)
		}
		all = append(all, p...)
	}
	if int64(len(all)) != n {
		return nil, fmt.Errorf("%s: %d bytes of %d at %d", v.Name, len(all), n, off)
	}
	return all, nil
}

// Copy writes the whole of a volume.
func Copy(w io.Writer, v *volume.Volume) error {
	for off := int64(0); off < v.Size; {
		n := min(v.Size-off, 1<<20)
		p, err := Read(v, off, n)
		if err != nil {
			return err
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
		off += n
	}
	return nil
}

func target(t volume.Target, off, n int64) ([]byte, error) {
	f := strings.Fields(t.Params)
	number := func(i int) int64 {
		v, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			panic(err)
		}
		return v
	}
	switch {
	case t.Type == "zero":
		return make([]byte, n), nil
	case t.Type == "linear" && len(f) == 2:
		return Read(t.Devices[0], number(1)*volume.SectorSize+off, n)
	case t.Type == "crypt" && len(f) >= 5:
		p, err := Read(t.Devices[0], number(4)*volume.SectorSize+off, n)
		if err != nil {
			return nil, err
		}
		c := crypt{spec: f[0], key: t.Key, sector: volume.SectorSize}
		for _, o := range f[5:] {
			if s, ok := strings.CutPrefix(o, "sector_size:"); ok {
				c.sector, _ = strconv.Atoi(s)
			}
			c.large = c.large || o == "iv_large_sectors"
		}
		return p, c.decrypt(uint64(number(2)+off/volume.SectorSize), p)
	}
	return nil, fmt.Errorf("no target %s %s", t.Type, t.Params)
}

// Decrypt is what [volume.Env] has, for the ciphers that this package knows.
func Decrypt(spec string, key []byte, sector uint64, data []byte) error {
	return crypt{spec: spec, key: key, sector: volume.SectorSize}.decrypt(sector, data)
}

// Keys is a keyring that has the same keys for all, and counts how many were asked for.
type Keys struct {
	List  []volume.Key
	Asked int
	given [][]byte
}

// Wiped reports whether all secrets that were given are zeros now.
func (k *Keys) Wiped() bool {
	return !slices.ContainsFunc(k.given, func(b []byte) bool { return len(bytes.Trim(b, "\x00")) > 0 })
}

// Keys yields copies of the keys, as they are wiped.
func (k *Keys) Keys(*volume.Member, *volume.Lock) iter.Seq2[volume.Key, error] {
	return func(yield func(volume.Key, error) bool) {
		for _, key := range k.List {
			k.Asked++
			key.Secret = bytes.Clone(key.Secret)
			k.given = append(k.given, key.Secret)
			if !yield(key, nil) {
				return
			}
		}
	}
}
