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

const usageSum = `usage: unboot sum [-r] [-a ALGORITHM] IMAGE:PATH...

Prints checksums of files, as sha256sum(1) does. The names are paths in the image,
without the slash at the start: the output can be checked where the tree was
unpacked, by "sha256sum -c".

  -a, --algorithm A  md5, sha1, sha224, sha256 (the default), sha384 or sha512
  -r, --recursive    of all regular files below directories

  unboot sum disk.img:/boot/vmlinuz
  unboot sum -r disk.img:/etc > etc.sums
`

func runSum(a *app, args []string) error {
	f := a.flags()
	algorithm, recursive := "sha256", false
	f.string(&algorithm, 'a', "algorithm")
	f.bool(&recursive, 'r', "recursive")
	args, err := f.parse(args)
	if err != nil {
		return err
	}
	newHash := map[string]func() hash.Hash{
		"md5": md5.New, "sha1": sha1.New, "sha224": sha256.New224, "sha256": sha256.New,
		"sha384": sha512.New384, "sha512": sha512.New,
	}[strings.TrimSuffix(strings.ToLower(algorithm), "sum")]
	if newHash == nil {
		return badUsage("no algorithm %s (want md5, sha1, sha224, sha256, sha384 or sha512)", quote(algorithm))
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
		one := func(path string) {
			sum, err := checksum(o.fs, path, h)
			if err != nil {
				a.fail(o.about(path, err))
				return
			}
			a.printSum(sum, path)
		}
		root, err := o.existing(t)
		if err != nil {
			a.fail(o.aboutTarget(t, err))
			continue
		}
		if !recursive {
			one(root)
			continue
		}
		a.each(o, root, &unboot.WalkOptions{Sorted: true, Mask: unix.STATX_TYPE}, func(e *unboot.Entry) bool {
			if e.Stat.Mode&unix.S_IFMT == unix.S_IFREG {
				one(e.Path())
			}
			return true
		})
	}
	return nil
}

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

// printSum escapes names as sha256sum does: a backslash in front says so.
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

// each walks a tree. Errors are reported, and the walk goes on.
func (a *app) each(o *opened, root string, w *unboot.WalkOptions, f func(*unboot.Entry) bool) {
	for e, err := range o.fs.Walk(root, w) {
		if a.ctx.Err() != nil {
			return
		}
		if err != nil {
			path := root
			if e != nil {
				path = e.Path()
			}
			a.fail(o.about(path, err))
			continue
		}
		if !f(e) {
			return
		}
	}
}
