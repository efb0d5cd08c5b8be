package testvol

import (
	"archive/tar"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

//go:embed make
var scripts embed.FS

// A Set is disks that belong together, for the real tools to look at.
type Set struct {
	Name  string   // a word, for messages
	Disks []string // host paths of raw images. The tools may write to them
	// Keys are the passphrases of what is encrypted, by device: "/dev/sda1", with the
	// disks in their order, "/dev/md/name" or "/dev/vg/lv". "/dev/vg/lv" is opened as
	// "/dev/mapper/luks-lv".
	Keys map[string]string
}

// A Report is what the real tools say of a set.
type Report struct {
	Volumes []Verified
	// Record has what the tools print, by the names of a fixture's record, and vgck.txt,
	// health.txt, status.txt, checks.txt (of the file systems).
	Record map[string]string
}

// Verified is a file system that the tools found.
type Verified struct {
	Node    string            // "/dev/mapper/vg0-root", "/dev/md/name", "/dev/sda1"
	FS      string            // as blkid calls it
	Mounted bool              //
	Refused string            // why it was not mounted
	Fsck    string            // the exit status of the check, which changes nothing
	Files   map[string]string // SHA-256 of its files by path, in hexadecimal digits
}

// NeedAppliance skips the test unless UNBOOT_TEST_APPLIANCE is set and the programs are there
// that [Verify] needs.
func NeedAppliance(t testing.TB) {
	t.Helper()
	if os.Getenv("UNBOOT_TEST_APPLIANCE") == "" {
		t.Skip("UNBOOT_TEST_APPLIANCE is not set: the real tools do not look at what was written")
	}
	testimg.Need(t, "guestfish", "supermin", "qemu-system-x86_64")
}

// Verify has the real tools look at disks that a test has written: everything on them is
// activated, mounted and checked in libguestfs's appliance, which is started once, whatever
// the number of sets. The sets do not see each other. It takes half a minute and more: see
// [NeedAppliance].
func Verify(t testing.TB, sets ...Set) map[string]*Report {
	t.Helper()
	NeedAppliance(t)
	dir := t.TempDir()
	args, err := prepare(dir, sets)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", args...)
	log, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the appliance: %v\n%s", err, log)
	}
	files, err := untar(filepath.Join(dir, "out.tar"))
	if err != nil {
		t.Fatalf("the appliance's answer: %v\n%s", err, log)
	}
	reports := map[string]*Report{}
	for _, s := range sets {
		if reports[s.Name], err = report(files["rec/"+s.Name]); err != nil {
			t.Fatalf("%s: %v\n%s", s.Name, err, log)
		}
	}
	return reports
}

// prepare writes the scripts and lists into dir, and returns the command's arguments.
func prepare(dir string, sets []Set) ([]string, error) {
	if err := os.CopyFS(dir, scripts); err != nil {
		return nil, err
	}
	in := filepath.Join(dir, "in")
	if err := os.Mkdir(in, 0o700); err != nil {
		return nil, err
	}
	var disks, keys strings.Builder
	args := []string{filepath.Join(dir, "make/appliance"), "run.sh", filepath.Join(dir, "out.tar")}
	extra := []string{filepath.Join(in, "disks"), filepath.Join(in, "keys"), filepath.Join(in, "run.sh")}
	for _, s := range sets {
		for i, disk := range s.Disks {
			label := letters(len(args))
			fmt.Fprintln(&disks, label, s.Name, i)
			args = append(args, label+"="+disk)
		}
		for device, key := range s.Keys {
			file := fmt.Sprintf("key%d", len(extra))
			fmt.Fprintln(&keys, s.Name, device, "/tmp/"+file)
			extra = append(extra, filepath.Join(in, file))
			if err := os.WriteFile(filepath.Join(in, file), []byte(key), 0o600); err != nil {
				return nil, err
			}
		}
	}
	args = append(append(args, "--"), extra...)
	return args, errors.Join(
		os.WriteFile(extra[0], []byte(disks.String()), 0o600),
		os.WriteFile(extra[1], []byte(keys.String()), 0o600),
		os.WriteFile(extra[2], []byte(". ./lib.sh\n. ./verify.sh\n"), 0o600))
}

// letters returns a label of a disk: digits are not allowed in it.
func letters(n int) string {
	return "d" + strings.Map(func(r rune) rune { return r - '0' + 'a' }, fmt.Sprint(n))
}

// untar returns the contents of the files in an archive, by directory and name.
func untar(name string) (map[string]map[string]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	files := map[string]map[string]string{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		dir, base := path.Split(path.Clean(h.Name))
		dir = path.Clean(dir)
		if files[dir] == nil {
			files[dir] = map[string]string{}
		}
		files[dir][base] = string(data)
	}
}

// report reads the record of a set.
func report(record map[string]string) (*Report, error) {
	if record == nil {
		return nil, errors.New("the appliance has not come to it")
	}
	r := &Report{Record: record}
	files := map[string]map[string]string{}
	for line := range strings.Lines(record["files.txt"]) {
		f := strings.SplitN(strings.TrimRight(line, "\n"), "\t", 3)
		if len(f) != 3 {
			return nil, fmt.Errorf("line %q", line)
		}
		if files[f[0]] == nil {
			files[f[0]] = map[string]string{}
		}
		files[f[0]][f[2]] = f[1]
	}
	for line := range strings.Lines(record["volumes.txt"]) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(f) != 4 {
			return nil, fmt.Errorf("line %q", line)
		}
		v := Verified{Node: f[0], FS: f[1], Mounted: f[2] == "mounted", Fsck: f[3], Files: files[f[0]]}
		if !v.Mounted {
			v.Refused = f[2]
		}
		r.Volumes = append(r.Volumes, v)
	}
	return r, nil
}

// Volume returns the file system on a node, or nil.
func (r *Report) Volume(node string) *Verified {
	for i := range r.Volumes {
		if r.Volumes[i].Node == node {
			return &r.Volumes[i]
		}
	}
	return nil
}
