package toolroot

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// closure returns the host paths of a program and of all that its loader needs to start it:
// the interpreter, and the libraries that they name, as ld.so(8) looks for them. They may be
// symbolic links, or lie behind some.
func closure(program string) ([]string, error) {
	c := finder{cache: readCache("/etc/ld.so.cache"), seen: map[string]bool{}}
	if err := c.add(program); err != nil {
		return nil, err
	}
	return c.files, nil
}

type finder struct {
	cache map[string][]string // by soname
	files []string
	seen  map[string]bool
}

func (c *finder) add(path string) error {
	if c.seen[path] {
		return nil
	}
	c.seen[path] = true
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	c.files = append(c.files, path)
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz < 4096 {
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err != nil {
				return err
			}
			if err := c.add(string(bytes.TrimRight(b, "\x00"))); err != nil {
				return err
			}
		}
	}
	libs, err := f.ImportedLibraries()
	if err != nil {
		return nil // static
	}
	run := searchPath(f, path)
	for _, lib := range libs {
		if err := c.find(lib, run, f); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func searchPath(f *elf.File, path string) (dirs []string) {
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		list, _ := f.DynString(tag)
		for _, s := range list {
			for _, dir := range strings.Split(s, ":") {
				dir = strings.NewReplacer("$ORIGIN", filepath.Dir(path), "${ORIGIN}", filepath.Dir(path)).Replace(dir)
				if filepath.IsAbs(dir) {
					dirs = append(dirs, dir)
				}
			}
		}
	}
	return dirs
}

// find adds all files that the loader may take for a library: which of several it takes depends
// on the processor.
func (c *finder) find(lib string, run []string, by *elf.File) error {
	if strings.Contains(lib, "/") {
		return c.add(lib)
	}
	var paths []string
	for _, dir := range run {
		paths = append(paths, filepath.Join(dir, lib))
	}
	paths = append(paths, c.cache[lib]...)
	for _, dir := range []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib"} {
		paths = append(paths, filepath.Join(dir, lib))
	}
	for _, p := range paths {
		f, err := elf.Open(p)
		if err != nil {
			continue
		}
		same := f.Class == by.Class && f.Machine == by.Machine
		f.Close()
		if same {
			return c.add(p)
		}
	}
	return fmt.Errorf("%s: %w", lib, os.ErrNotExist)
}

var errCache = errors.New("ld.so.cache: not one of glibc")

// readCache reads ld.so.cache.
func readCache(name string) map[string][]string {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	m, _ := parseCache(b)
	return m
}

func parseCache(b []byte) (map[string][]string, error) {
	at := bytes.Index(b, []byte("glibc-ld.so.cache1.1"))
	if at < 0 || len(b)-at < 48 {
		return nil, errCache
	}
	b = b[at:]
	n := int(binary.NativeEndian.Uint32(b[20:]))
	if n > (len(b)-48)/24 {
		return nil, errCache
	}
	all := map[string][]string{}
	text := func(off uint32) string {
		if int64(off) >= int64(len(b)) {
			return ""
		}
		s, _, _ := bytes.Cut(b[off:], []byte{0})
		return string(s)
	}
	for i := range n {
		e := b[48+24*i:]
		key, value := text(binary.NativeEndian.Uint32(e[4:])), text(binary.NativeEndian.Uint32(e[8:]))
		if key != "" && value != "" && !slices.Contains(all[key], value) {
			all[key] = append(all[key], value)
		}
	}
	return all, nil
}
