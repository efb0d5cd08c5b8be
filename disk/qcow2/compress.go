package qcow2

import (
	"bytes"
	"sync"
	"syscall"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// CompressUnit returns the size of a cluster: it makes the image a [disk.CompressedWriter].
func (m *Image) CompressUnit() int64 { return int64(m.h.ClusterSize) }

// WriteCompressed writes clusters compressed, as the image says: by deflate or zstd. Those
// that do not become smaller, and all of an image that has a data file or is encrypted, are stored as they are.
func (m *Image) WriteCompressed(p []byte, off int64) error {
	err := m.mayChange(off, int64(len(p)))
	size := int64(m.h.ClusterSize)
	if err == nil && (off%size != 0 || int64(len(p))%size != 0 && off+int64(len(p)) != m.Size()) {
		err = syscall.EINVAL
	}
	for err == nil && len(p) > 0 {
		n := min(int(size), len(p))
		err = m.w.writeCompressed(p[:n], off)
		p, off = p[n:], off+int64(n)
	}
	if err != nil {
		return m.wrap("write", err)
	}
	return nil
}

// writeCompressed writes one cluster.
func (w *writer) writeCompressed(p []byte, off int64) error {
	var c []byte
	if !w.m.external && w.m.cipher == nil {
		whole := p
		if len(p) < w.m.h.ClusterSize {
			whole = append(bytes.Clone(p), make([]byte, w.m.h.ClusterSize-len(p))...)
		}
		var err error
		if c, err = compress(w.m.h.Compression, whole); err != nil {
			return err
		}
	}
	if len(c) == 0 {
		_, err := w.m.WriteAt(p, off)
		return err
	}
	if err := w.linkCompressed(off>>w.m.h.clusterBits, c); err != nil {
		return err
	}
	return w.relieve()
}

// linkCompressed writes a cluster that has been compressed.
func (w *writer) linkCompressed(cluster int64, c []byte) error {
	defer w.ranges.lock(cluster, cluster+1)()
	w.io.RLock()
	defer w.io.RUnlock()
	old, err := w.m.entryOf(cluster << w.m.h.clusterBits)
	if err != nil {
		return err
	}
	n := int64(len(c))
	w.mu.Lock()
	at, err := w.allocBytes(n)
	w.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = w.m.file.WriteAt(c, at)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		shift := 62 - (w.m.h.clusterBits - 8)
		sectors := (at+n-1)/sectorSize - at/sectorSize
		e := l2Entry{entry: entryCompressed | uint64(sectors)<<shift | uint64(at)}
		err = w.setEntries(cluster, []l2Entry{old}, []l2Entry{e})
	}
	if err != nil {
		first := at >> w.m.h.clusterBits
		w.giveBack(at, (at+n-1)>>w.m.h.clusterBits-first+1)
	}
	return err
}

// allocBytes finds room for n bytes, at most a cluster, behind those that it has found
// before, and counts a reference to each cluster in which they are. The caller holds mu.
func (w *writer) allocBytes(n int64) (off int64, err error) {
	size := int64(w.m.h.ClusterSize)
	if in := w.packed & (size - 1); in != 0 && w.failed == nil {
		cluster := w.packed >> w.m.h.clusterBits
		count, err := w.count(cluster)
		if err != nil {
			return 0, err
		}
		room := count > 0 && count < w.m.h.maxCount()
		if room && n > size-in {
			if room, err = w.takeNext(cluster + 1); err != nil {
				return 0, err
			}
		}
		if room {
			off, w.packed = w.packed, w.packed+n
			return off, w.ref(cluster)
		}
	}
	if off, _, err = w.alloc(1); err == nil {
		w.packed = off + n
	}
	return off, err
}

// takeNext takes a cluster if it is free.
func (w *writer) takeNext(cluster int64) (bool, error) {
	c, first, _, err := w.countsOf(cluster)
	if err != nil || c.b == nil || c.get(int(cluster-first)) != 0 {
		return false, err
	}
	hint := w.hint
	err = w.take(cluster, 1)
	w.hint = hint
	return err == nil, err
}

// deflateWindow is how far back QEMU remembers when it decompresses, in bytes.
const deflateWindow = 4096

var deflateWriters = sync.Pool{New: func() any {
	w, err := flate.NewWriterWindow(nil, deflateWindow)
	if err != nil {
		panic(err) // a size that is not allowed
	}
	return w
}}

var zstdWriters = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // options that are not allowed
	}
	return e
}}

// compress returns a cluster compressed, or nil if it does not become smaller.
func compress(kind string, p []byte) ([]byte, error) {
	var c []byte
	if kind == "zstd" {
		e := zstdWriters.Get().(*zstd.Encoder)
		c = e.EncodeAll(p, make([]byte, 0, len(p)))
		zstdWriters.Put(e)
	} else {
		b := bytes.NewBuffer(make([]byte, 0, len(p)))
		w := deflateWriters.Get().(*flate.Writer)
		defer deflateWriters.Put(w)
		w.Reset(b)
		if _, err := w.Write(p); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		c = b.Bytes()
	}
	// The entry has no room for more than a cluster.
	if len(c) >= len(p)-sectorSize/8 {
		return nil, nil
	}
	return c, nil
}
