package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/treecopy"
)

// completeMax is how many entries of a directory are looked at: a longer list is of no
// use to a reader, and a directory of a hostile image may have no end.
const completeMax = 20_000

// imageNames are the usual extensions of images. If a directory has files with such
// names, only those are offered where an image is expected; if it has none, all files
// are, since the extension of an image is a convention and not a requirement.
var imageNames = []string{
	".img", ".raw", ".qcow2", ".qcow", ".iso", ".bin", ".dd", ".squashfs", ".erofs", ".ext4", ".xfs", ".btrfs", ".vfat", ".fat", ".ntfs", ".udf",
	".vmdk", ".vdi", ".vhd", ".vhdx", ".E01", ".s01", ".dmg", ".ova", ".ovf", ".001", ".gz", ".bz2", ".xz", ".zst", ".hdd", ".hds", ".qed", ".asif", ".cloop", ".vma",
}

// kind offers words of a kind.
func (c *completer) kind(k kind) {
	switch k {
	case kindImage:
		c.host(true, func(name string) { c.offer(name, "", false) })
	case kindPath, kindImagePath, kindPlace, kindInside:
		c.place(k)
	case kindHost:
		c.host(false, func(name string) { c.offer(name, "", false) })
	case kindDevice:
		c.devices()
	case kindCommand:
		for _, cmd := range c.a.table {
			c.offer(cmd.name, cmd.short, false)
		}
	case kindShell:
		for _, s := range shells {
			c.offer(s, "", false)
		}
	case kindVerb:
		for _, v := range c.cmd.verbs {
			c.offer(v, "", false)
		}
	case kindProgram:
		c.programs()
	}
}

// place offers images and what is in them.
func (c *completer) place(k kind) {
	// As mv and find -newer take it: a path without an image is in the image named
	// first.
	if k == kindInside && strings.HasPrefix(c.current, "/") {
		if len(c.args) > 0 {
			c.inside(parseTarget(expandHome(c.args[0])).image, "", c.current)
		}
		return
	}
	if t, ok := existingTarget(expandHome(c.current)); ok && t.path != "" {
		// The path is as it was written, and so is the image before it.
		path := t.arg[len(t.image)+1:]
		prefix := strings.TrimSuffix(c.current, path)
		if path == "" {
			path = "/"
		}
		c.inside(t.image, prefix, path)
		return
	}
	c.host(k != kindPlace, func(name string) {
		if k == kindImagePath || k == kindPlace {
			c.offer(name, "", false)
		}
		// For cp any file of the host is an argument by itself: that it is an image,
		// too, is assumed only by its name.
		if k != kindPlace || isImageName(name) {
			c.offer(name+":/", "", true)
		}
	})
}

// inside offers the entries of a directory of an image. What stands before the path in
// the word is its prefix.
func (c *completer) inside(image, prefix, path string) {
	o, err := c.a.tree(image, false)
	if err != nil {
		return
	}
	dir := path[:strings.LastIndexByte(path, '/')+1]
	real, err := treecopy.RealPath(o.fs, unboot.CleanPath(dir))
	if err != nil {
		return
	}
	n := 0
	// The type alone is in the directory itself: no inode has to be read.
	for e, err := range o.fs.Entries(real, &unboot.WalkOptions{Mask: unix.STATX_TYPE}) {
		if n++; err != nil || n > completeMax {
			return
		}
		word := prefix + dir + e.Name()
		if !strings.HasPrefix(word, c.current) || hidden(e.Name(), path[len(dir):]) {
			continue
		}
		// A link to a directory gets a slash too, as in the shell.
		isDirectory := e.IsDir()
		if e.Type()&os.ModeSymlink != 0 {
			isDirectory = isDir(o, e.Path())
		}
		if isDirectory {
			word += "/"
		}
		c.offer(word, "", isDirectory)
	}
}

// hidden reports whether a name starts with a dot, unless the word being completed does.
func hidden(name, prefix string) bool { return name[0] == '.' && !strings.HasPrefix(prefix, ".") }

// devices offers the devices with file systems of the image on the command line.
func (c *completer) devices() {
	for _, arg := range c.args {
		t, ok := existingTarget(expandHome(arg))
		if !ok {
			continue
		}
		o, err := c.a.open(t.image, false)
		if err != nil {
			return
		}
		for _, d := range o.img.FileSystems() {
			c.offer(d.Name, printable(strings.TrimSpace(d.Content.Type+" "+d.Content.Label)), false)
		}
		return
	}
}

// host offers directories of the host, and calls add for its files: if images are
// wanted, only for those that may be images.
func (c *completer) host(images bool, add func(name string)) {
	dir := c.current[:strings.LastIndexByte(c.current, '/')+1]
	at := expandHome(dir)
	if at == "" {
		at = "."
	}
	f, err := os.Open(at)
	if err != nil {
		return
	}
	defer f.Close()
	var files []string
	// After an error there is still what was read before it.
	entries, _ := f.ReadDir(completeMax)
	for _, e := range entries {
		name := dir + e.Name()
		if !strings.HasPrefix(name, c.current) || hidden(e.Name(), c.current[len(dir):]) {
			continue
		}
		// Stat follows links: what they lead to decides what the name is good for.
		st, err := os.Stat(filepath.Join(at, e.Name()))
		if err != nil {
			continue
		}
		if name[0] == '-' {
			name = "./" + name // otherwise it would be taken for an option
		}
		switch mode := st.Mode(); {
		case mode.IsDir():
			// Not by offer: a name that got "./" does not begin with the word.
			c.found = append(c.found, candidate{text: name + "/", more: true})
		case !images || mode.IsRegular() || mode.Type() == os.ModeDevice:
			files = append(files, name)
		}
	}
	if images && slices.ContainsFunc(files, isImageName) {
		files = slices.DeleteFunc(files, func(name string) bool { return !isImageName(name) })
	}
	for _, name := range files {
		add(name)
	}
}

func isImageName(name string) bool {
	return slices.Contains(imageNames, strings.ToLower(filepath.Ext(name))) || strings.HasPrefix(name, "/dev/")
}

// expandHome expands "~/" at the start of a word, as the shell will before the command
// sees it. A directory that is called "~" is preferred, as the quotes around the word are
// gone by now, and so it cannot be known whether the shell would expand it.
func expandHome(word string) string {
	rest, ok := strings.CutPrefix(word, "~/")
	home := os.Getenv("HOME")
	if !ok || home == "" {
		return word
	}
	if _, err := os.Lstat("~"); err == nil {
		return word
	}
	return home + "/" + rest
}

// programs offers the programs in PATH, or those that a path leads to.
func (c *completer) programs() {
	if strings.Contains(c.current, "/") {
		c.host(false, func(name string) { c.offer(name, "", false) })
		return
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			// Without a first letter, the list would have thousands of entries.
			if c.current != "" && strings.HasPrefix(e.Name(), c.current) && unix.Access(filepath.Join(dir, e.Name()), unix.X_OK) == nil {
				c.offer(e.Name(), "", false)
			}
		}
	}
}
