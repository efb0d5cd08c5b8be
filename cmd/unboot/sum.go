package main

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"io"
	"strings"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

var sumCommand = command{
	name:     "sum",
	short:    "checksums",
	synopsis: []string{"[OPTION...] IMAGE:PATH..."},
	brief:    "IMAGE:PATH...",
	long: `Prints checksums of files, as sha256sum(1) does. Names are paths in the image without
the leading slash, so that "sha256sum -c" can check the output in a directory where the
tree was unpacked.
`,
	args: []kind{kindImagePath},
	options: func(f *flagSet) runFunc {
		s := &summer{algorithm: "sha256"}
		f.string(&s.algorithm, "a", "algorithm", "NAME", "md5, sha1, sha224, sha256 (the default), sha384 or sha512").
			among("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
		f.bool(&s.recursive, "r", "recursive", "all regular files below directories")
		return s.run
	},
	examples: []string{
		"unboot sum disk.img:/boot/vmlinuz",
		"unboot sum -r disk.img:/etc > etc.sums",
	},
	image: true,
}

type summer struct {
	algorithm string
	recursive bool
}

func (s *summer) run(a *app, args []string) error {
	newHash := map[string]func() hash.Hash{
		"md5": md5.New, "sha1": sha1.New, "sha224": sha256.New224, "sha256": sha256.New,
		"sha384": sha512.New384, "sha512": sha512.New,
		// The names of the programs work, too: sha256sum.
	}[strings.TrimSuffix(strings.ToLower(s.algorithm), "sum")]
	if newHash == nil {
		return badUsage("no algorithm %s (expected md5, sha1, sha224, sha256, sha384 or sha512)", quote(s.algorithm))
	}
	if len(args) == 0 {
		return badUsage("no IMAGE:PATH given")
	}
	h := newHash()
	for _, arg := range args {
		o, t, err := a.target(arg, false)
		if err != nil {
			return err
		}
		root, err := o.existing(t)
		if err != nil {
			a.fail(o.aboutTarget(t, err))
			continue
		}
		if s.recursive {
			a.sumTree(o, root, h)
			continue
		}
		sum, err := checksum(o.fs, root, h)
		if err != nil {
			a.fail(o.about(root, err))
			continue
		}
		a.printSum(sum, root)
	}
	return nil
}

// sumTree prints the checksums of all regular files below a path, or of the one that it
// names. Small ones are read many at a time. The walk is sorted, so that the lists of two
// images can be compared with diff(1).
func (a *app) sumTree(o *opened, root string, h hash.Hash) {
	var batch []*unboot.Entry
	var size int64
	flush := func() {
		data, errs := o.fs.ReadFiles(batch)
		for i, e := range batch {
			if errs[i] != nil {
				a.fail(o.aboutEntry(e.Path(), errs[i]))
				continue
			}
			h.Reset()
			h.Write(data[i])
			a.printSum(h.Sum(nil), e.Path())
		}
		batch, size = batch[:0], 0
	}
	mask := unix.STATX_TYPE | unix.STATX_SIZE
	a.each(o, root, &unboot.WalkOptions{Sorted: true, Mask: mask}, func(e *unboot.Entry) bool {
		switch {
		case e.Stat.Mode&unix.S_IFMT != unix.S_IFREG:
			return true
		case e.Size() <= smallFile:
			batch = append(batch, e)
			if size += e.Size(); len(batch) >= batchItems || size >= batchBytes {
				flush()
			}
			return true
		}
		// Small files before a large one are printed before it, to keep the order.
		flush()
		sum, err := checksum(o.fs, e.Path(), h)
		if err != nil {
			a.fail(o.aboutEntry(e.Path(), err))
			return true
		}
		a.printSum(sum, e.Path())
		return true
	})
	flush()
}

// Files up to smallFile are read in batches, each in one round trip to the kernel, of up to
// batchItems files or about batchBytes. Larger ones take longer to read than to ask for,
// and would need the memory.
const (
	smallFile  = 128 << 10
	batchItems = 40
	batchBytes = 512 << 10
)

// checksum returns the checksum of one file, which is read piece by piece: it may be larger
// than the memory.
func checksum(fsys *unboot.FS, path string, h hash.Hash) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return nil, unix.EISDIR
	}
	h.Reset()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// printSum prints a line as sha256sum does. If the name has to be escaped, the line begins
// with a backslash, by which "sha256sum -c" knows.
func (a *app) printSum(sum []byte, path string) {
	esc := strings.NewReplacer("\\", "\\\\", "\n", "\\n", "\r", "\\r").Replace(path)
	if esc != path {
		a.out.WriteByte('\\')
	}
	a.out.WriteString(hex.EncodeToString(sum))
	a.out.WriteString("  ")
	a.out.WriteString(esc)
	a.out.WriteByte('\n')
}

// each walks a tree until f returns false or a signal comes. Errors are reported, and the
// walk goes on, so that one damaged directory does not hide the rest.
func (a *app) each(o *opened, root string, w *unboot.WalkOptions, f func(*unboot.Entry) bool) {
	for e, err := range o.fs.Walk(root, w) {
		if a.ctx.Err() != nil {
			return
		}
		if err != nil {
			if e == nil {
				a.fail(o.about(root, err))
			} else {
				a.fail(o.aboutEntry(e.Path(), err))
			}
			continue
		}
		if !f(e) {
			return
		}
	}
}
