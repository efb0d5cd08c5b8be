package inspect

import (
	"io/fs"
	"path"
	"strings"
)

// findOSTree recognizes the root of a system that OSTree has deployed: Fedora CoreOS,
// Silverblue and others. Its tree is a directory, of which there may be several:
//
//	ostree/deploy/NAME/deploy/CHECKSUM.0
//
// The one that boots has a link in ostree/boot.0 or ostree/boot.1; if none of the links
// leads anywhere, it is the first directory.
func findOSTree(t *tree) *System {
	if !t.isDir("ostree/deploy") {
		return nil
	}
	for _, dir := range append(bootedDeployments(t), deployments(t)...) {
		if !t.isDir(dir + "/usr") {
			continue
		}
		var s *System
		t.below(dir, func(d *tree) { s = findLinux(d) })
		if s == nil || s.Distro == "" {
			continue
		}
		s.Deployment = "/" + dir
		if rest := s.rest; rest != nil {
			s.rest = func(t *tree) { t.below(dir, rest) }
		}
		return s
	}
	return nil
}

// below calls do with the tree of a directory, and takes its problems over.
func (t *tree) below(dir string, do func(*tree)) {
	sub, err := fs.Sub(t.FS, dir)
	if err != nil {
		t.problem(err)
		return
	}
	d := &tree{FS: sub}
	do(d)
	t.problems = append(t.problems, d.problems[:min(len(d.problems), maxNotes-len(t.problems))]...)
}

// maxDeployments bounds how many are looked at.
const maxDeployments = 32

// bootedDeployments returns what the links of the boot loader lead to:
// ostree/boot.1/NAME/CHECKSUM/0 is a link to ../../../deploy/NAME/deploy/CHECKSUM.0.
func bootedDeployments(t *tree) (dirs []string) {
	for _, boot := range []string{"ostree/boot.1", "ostree/boot.0"} {
		for _, name := range t.list(boot) {
			for _, sum := range t.list(boot + "/" + name.Name()) {
				dir := boot + "/" + name.Name() + "/" + sum.Name()
				target, err := fs.ReadLink(t.FS, dir+"/0")
				if err != nil || path.IsAbs(target) || len(dirs) == maxDeployments {
					continue
				}
				// boot.1 is a link to boot.1.1, which does not
				// change how far up the target starts.
				if target = path.Join(dir, target); strings.HasPrefix(target, "ostree/deploy/") {
					dirs = append(dirs, target)
				}
			}
		}
	}
	return dirs
}

// deployments returns all of them.
func deployments(t *tree) (dirs []string) {
	for _, name := range t.list("ostree/deploy") {
		dir := "ostree/deploy/" + name.Name() + "/deploy"
		for _, e := range t.list(dir) {
			if e.IsDir() && len(dirs) < maxDeployments {
				dirs = append(dirs, dir+"/"+e.Name())
			}
		}
	}
	return dirs
}

// inDeployment returns the tree that has the system's files.
func (s *System) inDeployment(fsys fs.FS) fs.FS {
	if s.Deployment == "" {
		return fsys
	}
	sub, err := fs.Sub(fsys, strings.TrimPrefix(s.Deployment, "/"))
	if err != nil {
		return fsys
	}
	return sub
}
