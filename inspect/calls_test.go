package inspect

import (
	"io/fs"
	"testing"
)

// counting counts the calls that reach a tree. In a mounted image each is a round trip.
type counting struct {
	fs.ReadLinkFS
	n *int
}

func (c counting) Open(name string) (fs.File, error)      { *c.n++; return c.ReadLinkFS.Open(name) }
func (c counting) Stat(name string) (fs.FileInfo, error)  { *c.n++; return fs.Stat(c.ReadLinkFS, name) }
func (c counting) Lstat(name string) (fs.FileInfo, error) { *c.n++; return c.ReadLinkFS.Lstat(name) }
func (c counting) ReadLink(name string) (string, error)   { *c.n++; return c.ReadLinkFS.ReadLink(name) }

// To look at a tree must stay cheap: a thousand images are a common case.
func TestCalls(t *testing.T) {
	for name, most := range map[string]int{"debian": 40, "ubuntu": 40, "fedora": 40, "centos6": 60, "alpine": 40} {
		n := 0
		if _, err := Tree(counting{linuxTrees[name].files.FS(), &n}); err != nil {
			t.Fatal(err)
		}
		if n > most {
			t.Errorf("%s: %d calls, at most %d expected", name, n, most)
		}
	}
	n := 0
	Tree(counting{noSystem["home"].FS(), &n})
	if n > 60 {
		t.Errorf("data: %d calls", n)
	}
}
