package xfstests

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What becomes of a test.
const (
	pass   = "pass"
	fail   = "fail"
	notRun = "not run"
	long   = "long"
)

// An outcome is what has become of a test.
type outcome struct {
	result string
	text   string // why, if it did not pass
}

// needsDevice is what scripts have in them that need a second file system to format.
var needsDevice = regexp.MustCompile(`_require_scratch|SCRATCH_(DEV|MNT)|_scratch_`)

// eligible returns the numbers of the generic tests that need nothing but a mount.
func eligible(suite string) (tests []string, err error) {
	paths, err := filepath.Glob(suite + "/tests/generic/[0-9][0-9][0-9]")
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			return nil, err
		}
		code := slices.DeleteFunc(strings.Split(string(text), "\n"), func(l string) bool {
			return strings.HasPrefix(strings.TrimSpace(l), "#")
		})
		if !needsDevice.MatchString(strings.Join(code, "\n")) {
			tests = append(tests, filepath.Base(p))
		}
	}
	return tests, nil
}

// A runner runs tests of the suite in namespaces of their own, so that nothing stays of them on
// the host: neither processes, nor mounts, nor users.
type runner struct {
	suite, image    string
	fstype, subtype string
	options         string        // of the mount
	program         string        // what /sbin/mount.fuse.unboot is; empty for the host's drivers
	limit           time.Duration // of one test
	log             func(format string, args ...any)
}

// inside is run as the first process of the namespaces. Of what is in /tmp it leaves the folder of
// the run ($1), the suite ($2), and the folders of the image ($3) and of the program ($4), which are
// held open meanwhile.
const inside = `
set -e
exec 6<"$1" 7<"$2" 8<"$3" 9<"$4"
mount -t proc proc /proc
mount -t tmpfs -o mode=1777 tmp /tmp
fd=6
for dir in "$1" "$2" "$3" "$4"; do
	[ -d "$dir" ] || { mkdir -p "$dir"; mount --no-canonicalize --bind /proc/self/fd/$fd "$dir"; }
	fd=$((fd + 1))
done
exec 6<&- 7<&- 8<&- 9<&-
mount -t tmpfs layers "$1/layers"
for dir in etc sbin; do
	mkdir "$1/layers/$dir" "$1/layers/$dir-work"
	cp -a "$1/$dir/." "$1/layers/$dir/"
	at=$(readlink -f /$dir)
	mount -t overlay -o "lowerdir=$at,upperdir=$1/layers/$dir,workdir=$1/layers/$dir-work" overlay "$at"
done
cd "$2"
export PATH="$1/bin:$PATH" HOST_OPTIONS="$1/config" RESULT_BASE="$1/results"
shift 4
./check -R xunit-quiet "$@" </dev/null
`

// users are those that tests want to exist.
var users = []string{"fsgqa", "fsgqa2", "123456-fsgqa"}

// prepare fills the folder of a run.
func (r *runner) prepare(work string) error {
	for _, d := range []string{"mnt", "bin", "etc", "sbin", "layers", "results"} {
		if err := os.Mkdir(filepath.Join(work, d), 0o755); err != nil {
			return err
		}
	}
	var config strings.Builder
	for _, v := range [][2]string{
		{"TEST_DEV", r.image}, {"TEST_DIR", work + "/mnt"}, {"FSTYP", r.fstype}, {"FUSE_SUBTYP", r.subtype},
		{"TEST_FS_MOUNT_OPTS", r.options},
	} {
		fmt.Fprintf(&config, "export %s='%s'\n", v[0], v[1])
	}
	for _, file := range []string{"passwd", "group"} {
		data, err := os.ReadFile("/etc/" + file)
		if err != nil {
			return err
		}
		for i, name := range users {
			id := 4000000 + i
			entry := fmt.Sprintf("%s:*:%d:", name, id)
			if file == "passwd" {
				entry += fmt.Sprintf("%d::/tmp:/bin/bash", id)
			}
			if !bytes.Contains(data, []byte("\n"+name+":")) {
				data = append(data, entry+"\n"...)
			}
		}
		if err := os.WriteFile(filepath.Join(work, "etc", file), data, 0o644); err != nil {
			return err
		}
	}
	if r.program != "" {
		for _, name := range []string{"mount.fuse.unboot", "umount.fuse.unboot"} {
			if err := os.Symlink(r.program, filepath.Join(work, "sbin", name)); err != nil {
				return err
			}
		}
		// The suite knows the type without what is after the dot.
		df := "#!/bin/sh\nexec /bin/df \"$@\" | sed 's/ fuse\\.unboot / fuse /'\n"
		if err := os.WriteFile(filepath.Join(work, "bin/df"), []byte(df), 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(work, "config"), []byte(config.String()), 0o644)
}

// run runs tests, and begins again after one that has exceeded its limit.
func (r *runner) run(t *testing.T, tests []string) (map[string]outcome, error) {
	got := map[string]outcome{}
	for todo := tests; len(todo) > 0; {
		last, err := r.some(t, todo, got)
		if err != nil {
			return nil, err
		}
		if last != "" {
			got[last] = outcome{result: long, text: "more than " + r.limit.String()}
		}
		rest := slices.DeleteFunc(slices.Clone(todo), func(name string) bool { _, ok := got[name]; return ok })
		if len(rest) == len(todo) {
			return nil, fmt.Errorf("none of %d tests has run", len(todo))
		}
		todo = rest
	}
	return got, nil
}

// some runs tests until one exceeds its limit, whose name it returns.
func (r *runner) some(t *testing.T, tests []string, got map[string]outcome) (exceeded string, err error) {
	work := t.TempDir()
	if err := os.Chmod(work, 0o755); err != nil {
		return "", err
	}
	if err := r.prepare(work); err != nil {
		return "", err
	}
	program := work
	if r.program != "" {
		program = filepath.Dir(r.program)
	}
	args := []string{"-c", inside, "sh", work, r.suite, filepath.Dir(r.image), program}
	for _, name := range tests {
		args = append(args, "generic/"+name)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID, Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL,
	}
	w := &watcher{limit: r.limit}
	// Until the first test begins, the suite finds out what there is.
	w.timer = time.AfterFunc(max(r.limit, 5*time.Minute), cancel)
	cmd.Stdout, cmd.Stderr = w, w
	// Those who are in the background keep the pipe.
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	w.timer.Stop()
	exit := new(exec.ExitError)
	switch {
	case ctx.Err() != nil:
		if exceeded = w.current(); exceeded == "" {
			return "", fmt.Errorf("no test has begun in time: %s", w.tail())
		}
	case err == nil || errors.As(err, &exit) || errors.Is(err, exec.ErrWaitDelay): // tests may have failed
	default:
		return "", fmt.Errorf("%w: %s", err, w.tail())
	}
	found, err := readReport(work + "/results/result.xml")
	if errors.Is(err, fs.ErrNotExist) && exceeded != "" {
		return exceeded, nil
	}
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, w.tail())
	}
	for name, o := range found {
		if o.result == fail {
			o.text = r.difference(work, name, o.text)
			r.log("%s: %s", name, w.about(name))
		}
		got[name] = o
	}
	return exceeded, nil
}

// difference returns the first lines that a test has written and should not have, or the other
// way round, without the names of folders.
func (r *runner) difference(work, name, text string) string {
	bad := filepath.Join(work, "results/generic", name+".out.bad")
	if _, err := os.Stat(bad); err != nil {
		return text
	}
	out, _ := exec.Command("diff", filepath.Join(r.suite, "tests/generic", name+".out"), bad).Output()
	var lines []string
	for l := range strings.Lines(string(out)) {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, "<") || strings.HasPrefix(l, ">") {
			lines = append(lines, strings.ReplaceAll(strings.ReplaceAll(l, work+"/mnt", "TEST_DIR"), "|", "/"))
		}
		if len(lines) == 2 {
			break
		}
	}
	return strings.Join(lines, "; ")
}

// A watcher sees what the suite prints, and which test it has begun.
type watcher struct {
	mu    sync.Mutex
	out   bytes.Buffer // guarded by mu
	limit time.Duration
	timer *time.Timer
}

var begun = regexp.MustCompile(`(?m)^generic/(\d+)`)

// Write notes what is printed. Each test has the whole time from when its name is printed.
func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(begun.FindAllIndex(w.out.Bytes(), -1))
	w.out.Write(p)
	if len(begun.FindAllIndex(w.out.Bytes(), -1)) > before {
		w.timer.Reset(w.limit)
	}
	return len(p), nil
}

// current returns the test that runs.
func (w *watcher) current() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := begun.FindAllSubmatch(w.out.Bytes(), -1)
	if len(all) == 0 {
		return ""
	}
	return string(all[len(all)-1][1])
}

// about returns what was printed of a test.
func (w *watcher) about(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, after, _ := strings.Cut("\n"+w.out.String(), "\ngeneric/"+name)
	about, _, _ := strings.Cut(after, "\ngeneric/")
	return about
}

// tail returns the end of what was printed.
func (w *watcher) tail() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.out.String()
	return s[max(0, len(s)-2000):]
}

// readReport reads a report of the suite.
func readReport(path string) (map[string]outcome, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	type message struct {
		Message string `xml:"message,attr"`
	}
	var report struct {
		Cases []struct {
			Name    string   `xml:"name,attr"`
			Skipped *message `xml:"skipped"`
			Failure *message `xml:"failure"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(data, &report); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	got := map[string]outcome{}
	for _, c := range report.Cases {
		o := outcome{result: pass}
		switch {
		case c.Failure != nil:
			o = outcome{fail, c.Failure.Message}
		case c.Skipped != nil:
			o = outcome{notRun, c.Skipped.Message}
		}
		o.text = strings.TrimSpace(strings.ReplaceAll(o.text, "|", "/"))
		got[strings.TrimPrefix(c.Name, "generic/")] = o
	}
	return got, nil
}
