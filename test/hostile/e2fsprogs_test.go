package hostile

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/test/internal/rig"
)

// e2fsprogsSource returns the path of the source of e2fsprogs, whose own tests
// are images that have been broken with care. It is downloaded by apt once per
// machine, with lists of its own, so that nothing of the host's changes. Where
// that does not work the test is skipped.
func e2fsprogsSource(t *testing.T) string {
	t.Helper()
	base, err := testimg.Dir()
	rig.Check(t, "cache", err)
	dir := filepath.Join(base, "e2fsprogs")
	find := func() string {
		list, _ := filepath.Glob(dir + "/e2fsprogs_*.orig.tar.gz")
		if len(list) == 0 {
			return ""
		}
		return list[0]
	}
	if found := find(); found != "" {
		return found
	}
	testimg.Need(t, "apt-get")
	work := t.TempDir()
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		rig.Check(t, "mkdir", os.MkdirAll(filepath.Join(work, d), 0o755))
	}
	release, _ := os.ReadFile("/etc/os-release")
	_, codename, _ := strings.Cut(string(release), "VERSION_CODENAME=")
	codename, _, _ = strings.Cut(codename, "\n")
	source := fmt.Sprintf("deb-src http://deb.debian.org/debian %s main\n", strings.Trim(codename, `"`))
	rig.Check(t, "write", os.WriteFile(work+"/sources", []byte(source), 0o644))
	apt := func(args ...string) error {
		cmd := exec.Command("apt-get", append([]string{
			"-o", "Dir::Etc::SourceList=" + work + "/sources", "-o", "Dir::Etc::SourceParts=-",
			"-o", "Dir::State::Lists=" + work + "/lists", "-o", "Dir::Cache=" + work + "/cache",
			"-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=1",
		}, args...)...)
		cmd.Dir = work
		timer := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
		defer timer.Stop()
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("apt-get %s: %w\n%.500s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	if err := errors.Join(apt("update"), apt("source", "--download-only", "e2fsprogs")); err != nil {
		t.Skip("the source of e2fsprogs cannot be had: ", err)
	}
	list, _ := filepath.Glob(work + "/e2fsprogs_*.orig.tar.gz")
	if len(list) == 0 {
		t.Skip("apt-get brought no e2fsprogs_*.orig.tar.gz")
	}
	rig.Check(t, "mkdir", os.MkdirAll(dir, 0o755))
	to := filepath.Join(dir, filepath.Base(list[0]))
	rig.Check(t, "copy", testimg.Copy(list[0], to+".new"))
	rig.Check(t, "rename", os.Rename(to+".new", to))
	return find()
}

// maxImage leaves out an image that is too large to unpack in a test.
const maxImage = 512 << 20

// TestE2fsprogs opens the images of e2fsprogs' tests.
func TestE2fsprogs(t *testing.T) {
	f := rig.Open(t, e2fsprogsSource(t), os.O_RDONLY)
	z, err := gzip.NewReader(f)
	rig.Check(t, "gzip", err)
	r := newRange()
	defer r.close()
	image := memory(t) + "/image"
	n := 0
	for archive := tar.NewReader(z); ; {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		rig.Check(t, "tar", err)
		if path.Base(h.Name) != "image.gz" {
			continue
		}
		if testing.Short() && n%15 != 0 {
			n++
			continue
		}
		packed, err := gzip.NewReader(archive)
		if err != nil {
			continue // a test of another kind
		}
		if err := unpack(packed, image); err != nil {
			t.Logf("%s: %v", h.Name, err)
			continue
		}
		n++
		name := path.Base(path.Dir(h.Name))
		for _, flags := range []uintptr{unix.MS_RDONLY, 0} {
			check := rig.Unchanged(t, image)
			if err := r.shoot(t, image, "ext4", "", flags); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			check()
		}
	}
	t.Logf("%d images, each read-only and writable: %v", n, r)
	if n < 150 {
		t.Errorf("only %d images were found", n)
	}
}

// unpack writes an image with holes where it is zeros.
func unpack(r io.Reader, image string) error {
	f, err := os.Create(image)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	zero := make([]byte, len(buf))
	var size int64
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 && !bytes.Equal(buf[:n], zero[:n]) {
			if _, err := f.WriteAt(buf[:n], size); err != nil {
				return err
			}
		}
		if size += int64(n); size > maxImage {
			return errors.New("too large")
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return f.Truncate(size)
		}
		if err != nil {
			return err
		}
	}
}
