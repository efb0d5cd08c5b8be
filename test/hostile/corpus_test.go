package hostile

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/compression"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume/probe"
)

// corpusEnv names a folder of images, such as those that crashed kernels: raw ones, or any that
// unboot opens, as they are or compressed by gzip, bzip2, xz or zstd. They are not part of this
// project.
const corpusEnv = "UNBOOT_CORPUS"

// What an image of a corpus may take. The processor time is what ends one whose metadata
// never ends; the time by the clock would be a fault of ours.
const (
	corpusCPU      = 3 * time.Second
	corpusDeadline = time.Minute
)

// The outcomes of an image, in the order of the table. All are allowed; what is not is an error
// of the test.
var outcomes = []string{"mounted", "refused", "unknown", "panics", "faults", "endless"}

// A verdict is what became of an image.
type verdict struct {
	fstype  string
	outcome string
	words   string // of a panic
	errs    int    // errors that reading and writing had
	took    time.Duration
}

// TestCorpus opens the images of a folder.
func TestCorpus(t *testing.T) {
	dir := os.Getenv(corpusEnv)
	if dir == "" {
		t.Skip(corpusEnv + " does not name a folder of images")
	}
	var paths []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	rig.Check(t, "corpus", err)
	if len(paths) == 0 {
		t.Fatalf("%s: no images", dir)
	}
	verdicts := visitCorpus(t, paths)
	t.Log(summary(verdicts))
}

// TestCorpusOutcomes has the harness tell images of each outcome from each other.
func TestCorpusOutcomes(t *testing.T) {
	dir := t.TempDir()
	image := func(name, fstype string, change func(b []byte) []byte) {
		b, err := os.ReadFile(testimg.FS(t, fstype, testimg.Options{Size: 8 << 20, Args: []string{"-O", "^metadata_csum", "-b", "1024"}}))
		rig.Check(t, "read", err)
		rig.Check(t, "write", os.WriteFile(filepath.Join(dir, name), change(b), 0o644))
	}
	const super = 1024
	le := binary.LittleEndian
	image("good.img", "ext4", func(b []byte) []byte { return b })
	image("good.img.gz", "ext4", func(b []byte) []byte {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		w.Write(b)
		w.Close()
		return packed.Bytes()
	})
	image("refused.img", "ext4", func(b []byte) []byte {
		le.PutUint32(b[super+0x60:], 0x80000000) // a feature that there is not
		return b
	})
	image("panics.img", "ext4", func(b []byte) []byte {
		le.PutUint16(b[super+0x3c:], 3) // errors=panic
		// The root's inode, second of the table, has its directory where there is no block.
		table := int(le.Uint32(b[2048+8:])) * 1024
		size := int(le.Uint16(b[super+0x58:]))
		le.PutUint32(b[table+size+40+20:], 0x7fffffff) // the first extent
		return b
	})
	rig.Check(t, "write", os.WriteFile(filepath.Join(dir, "endless.img"), testimg.Endless(), 0o644))
	rig.Check(t, "write", os.WriteFile(filepath.Join(dir, "unknown.img"), bytes.Repeat([]byte("nothing"), 1000), 0o644))

	paths, err := filepath.Glob(dir + "/*")
	rig.Check(t, "glob", err)
	verdicts := visitCorpus(t, paths)
	for name, want := range map[string][2]string{
		"good.img": {"ext4", "mounted"}, "good.img.gz": {"ext4", "mounted"}, "refused.img": {"ext4", "refused"},
		"panics.img": {"ext4", "panics"}, "endless.img": {"romfs", "endless"}, "unknown.img": {"none", "unknown"},
	} {
		if v := verdicts[filepath.Join(dir, name)]; v.fstype != want[0] || v.outcome != want[1] {
			t.Errorf("%s: %+v, want %s, %s", name, v, want[0], want[1])
		}
	}
	text := summary(verdicts)
	for _, want := range []string{"| ext4 | 4 | 2 | 1 | 0 | 1 | 0 | 0 |", "| romfs | 1 | 0 | 0 | 0 | 0 | 0 | 1 |", "1 ext4: ", "panic forced after error"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	t.Log(text)
}

// visitCorpus opens images, one after the other, and holds after each that nothing is left of it,
// and in the end that the host is as it was.
func visitCorpus(t *testing.T, paths []string) map[string]verdict {
	needKernel(t)
	verdicts := map[string]verdict{}
	scratch := filepath.Join(memory(t), "image")
	host := hostState(t, paths, scratch)
	for _, path := range paths {
		unchanged := rig.Unchanged(t, path)
		image, err := unpacked(path, scratch)
		if err != nil {
			t.Logf("%s: left out: %v", path, err)
			continue
		}
		before := rig.Take()
		imageUnchanged := rig.Unchanged(t, image)
		v, err := visitImage(image)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		imageUnchanged()
		unchanged()
		if more := rig.Leaked(before); more != "" {
			t.Errorf("%s: left behind: %s", path, more)
		}
		verdicts[path] = v
		if testing.Verbose() {
			t.Logf("%s: %s, %s, %d errors, %v %s", path, v.fstype, v.outcome, v.errs, v.took.Round(time.Millisecond), v.words)
		}
	}
	if now := hostState(t, paths, scratch); now != host {
		t.Errorf("the host has changed: before\n%s\nnow\n%s", host, now)
	}
	return verdicts
}

// needKernel skips a test in a build without a kernel image.
func needKernel(t *testing.T) {
	t.Helper()
	rig.Boot(t, nil).Kill()
}

// hostState is what an image could change of the host that is not a file of this test: mounts and loop
// devices of it, and what lies beside the images. Those of other programs come and go.
func hostState(t *testing.T, paths []string, scratch string) string {
	t.Helper()
	dirs := map[string]bool{".": true, filepath.Dir(scratch): true}
	for _, p := range paths {
		dirs[filepath.Dir(p)] = true
	}
	var b strings.Builder
	ours := func(line string) {
		for dir := range dirs {
			if dir != "." && strings.Contains(line, dir) {
				b.WriteString(line)
				return
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	rig.Check(t, "mounts", err)
	for line := range strings.Lines(string(mounts)) {
		ours(line)
	}
	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, path := range loops {
		file, _ := os.ReadFile(path)
		ours(path + " " + string(file))
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if dir == filepath.Dir(scratch) {
			continue // images are unpacked there
		}
		entries, err := os.ReadDir(dir)
		rig.Check(t, "read", err)
		fmt.Fprintf(&b, "%s: %v\n", dir, entries)
	}
	return b.String()
}

// unpacked returns the path of an image, which is that of scratch if it had to be unpacked.
func unpacked(path, scratch string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, 6)
	io.ReadFull(f, head)
	name := compression.Detect(head)
	if name == "" {
		return path, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	r, err := compression.NewReader(name, f)
	if err != nil {
		return "", err
	}
	if c, ok := r.(interface{ Close() }); ok {
		defer c.Close()
	}
	return scratch, unpack(r, scratch)
}

var errCorpusDeadline = errors.New("the image took too long by the clock")

// visitImage opens an image with an overlay for what is written, mounts each file system in it, lists
// and reads it, and writes to it. The error is for an outcome that is not allowed.
func visitImage(image string) (v verdict, err error) {
	start := time.Now()
	v = verdict{fstype: "none", outcome: "unknown"}
	defer func() { v.took = time.Since(start) }()
	ctx, cancel := context.WithTimeoutCause(context.Background(), corpusDeadline, errCorpusDeadline)
	defer cancel()
	img, err := unboot.Open(ctx, "", unboot.AddDisk(image, unboot.Scratch()), unboot.Writable(), unboot.Overlay("", 256<<20))
	if err != nil {
		v.outcome = "refused"
		return v, typed(err)
	}
	if err := img.Kernel().LimitCPU(corpusCPU); err != nil {
		return v, err
	}
	var faults []error
	for _, d := range img.Devices() {
		if d.Content == nil || d.Content.Usage != probe.Filesystem {
			continue
		}
		if v.fstype == "none" {
			v.fstype, v.outcome = d.Content.Type, "refused"
		}
		faults = append(faults, v.visit(img, d)...)
	}
	end := img.Kernel().Err()
	if err := img.Close(); err != nil {
		faults = append(faults, typed(err))
	}
	return v, errors.Join(append(faults, v.judge(end))...)
}

// visit looks at a file system, and changes it. It returns the errors that have no type.
func (v *verdict) visit(img *unboot.Image, d *unboot.Device) (untyped []error) {
	note := func(err error) {
		if err != nil {
			v.errs++
			if err := typed(err); err != nil {
				untyped = append(untyped, err)
			}
		}
	}
	f, err := img.Mount(d.Name)
	if err != nil {
		note(err)
		return untyped
	}
	v.outcome = "mounted"
	nodes, bytesLeft := 1500, int64(24<<20)
	for e, err := range f.Walk(".", &unboot.WalkOptions{Links: true, Xattrs: true}) {
		if nodes--; nodes < 0 {
			break
		}
		if err != nil {
			note(err)
			continue
		}
		if e.Type().IsRegular() && bytesLeft > 0 {
			n, err := readSome(f, e.Path())
			bytesLeft -= n
			note(err)
		}
		if e.XattrSize != 0 {
			_, err := f.Xattrs(e.Path())
			note(err)
		}
	}
	if img.Kernel().Err() == nil {
		look(f.View(), "")
		_, err := f.Lstat("no such name") // the end of a list
		if !errors.Is(err, fs.ErrNotExist) {
			note(err)
		}
		note(f.WriteFile("new", make([]byte, 100_000), 0o644))
		note(f.Sync())
		change(f.View(), "")
	}
	note(f.Unmount())
	return untyped
}

// readSome reads the first MiB of a file.
func readSome(f *unboot.FS, path string) (int64, error) {
	r, err := f.Open(path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.Copy(io.Discard, io.LimitReader(r, 1<<20))
}

// judge says how a kernel has ended, if it has, and returns an error if it may not.
func (v *verdict) judge(end error) error {
	var p *lkl.PanicError
	var limit *lkl.CPULimitError
	switch {
	case end == nil:
	case errors.As(end, &p):
		v.outcome = "panics"
		if p.Fault {
			v.outcome = "faults"
		}
		v.words = reason(p)
	case errors.As(end, &limit):
		v.outcome = "endless"
	default: // the deadline, or a forbidden system call
		return fmt.Errorf("the kernel ended: %+v", end)
	}
	return nil
}

// typed returns nil if programs can tell what an error is: that of a system call, of the mount, of
// a format, or the end of the kernel. Else it returns an error that says so.
func typed(err error) error {
	var errno unix.Errno
	var path *fs.PathError
	var mount *unboot.MountError
	var p *lkl.PanicError
	var exit *lkl.ExitError
	if strings.TrimSpace(err.Error()) != "" &&
		(errors.As(err, &errno) || errors.As(err, &path) || errors.As(err, &mount) || errors.As(err, &p) || errors.As(err, &exit)) {
		return nil
	}
	return fmt.Errorf("an error of no type: %T %q", err, err)
}

// summary is a table of the outcomes by type, and the first lines of panics.
func summary(verdicts map[string]verdict) string {
	count, words := map[string]map[string]int{}, map[string]int{}
	for _, v := range verdicts {
		if count[v.fstype] == nil {
			count[v.fstype] = map[string]int{}
		}
		count[v.fstype][v.outcome]++
		if v.words != "" {
			words[v.fstype+": "+v.words]++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d images\n| type | images | %s |\n|---|--:|%s\n", len(verdicts), strings.Join(outcomes, " | "), strings.Repeat("--:|", len(outcomes)))
	for _, fstype := range slices.Sorted(maps.Keys(count)) {
		line, all := "", 0
		for _, o := range outcomes {
			line += fmt.Sprintf(" %d |", count[fstype][o])
			all += count[fstype][o]
		}
		fmt.Fprintf(&b, "| %s | %d |%s\n", fstype, all, line)
	}
	list := slices.SortedFunc(maps.Keys(words), func(x, y string) int { return cmp.Or(words[y]-words[x], strings.Compare(x, y)) })
	for _, w := range list {
		fmt.Fprintf(&b, "%d %s\n", words[w], w)
	}
	return b.String()
}
