package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs"
	"github.com/unboot/unboot/internal/testimg"
)

// fleet is how many images are inspected, one after another.
const fleet = 1000

// benchInspect: a program that looks through a fleet of images as scanners do: it opens
// one, finds the operating system, mounts it and lists its packages, and takes the next; one
// after another, and two at a time.
// They are overlays (qcow2) of a few disks with a Debian, each with a host name of its
// own.
func benchInspect(e *env) (rows []row, err error) {
	if e.debian == "" {
		return nil, nil
	}
	dir := filepath.Join(e.work, "fleet")
	if err := makeFleet(dir, []string{"ext4", "xfs"}, max(1, int(fleet*e.factor))); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, how := range []struct {
		workers int
		words   string
		most    time.Duration // for the whole fleet
	}{{1, "one after another", time.Minute}, {2, "two at a time", 8 * time.Second}} {
		cmd := exec.Command(e.bench, "child", "inspect", dir, strconv.Itoa(how.workers))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return rows, err
		}
		var r fleetResult
		if _, err := fmt.Sscan(string(out), &r.images, &r.took, &r.self, &r.kernel); err != nil {
			return rows, fmt.Errorf("child inspect: %q: %w", out, err)
		}
		each := r.took / time.Duration(r.images)
		rows = append(rows, row{
			work:   fmt.Sprintf("%d images inspected %s in one program: opened, packages listed", r.images, how.words),
			ours:   fmt.Sprintf("%s, %.0f images a second", show(r.took), float64(time.Second)/float64(each)),
			target: fmt.Sprintf("≤ %s an image", show(how.most/fleet)), met: judge(each <= how.most/fleet),
			hint: "go test -run '^$' -bench BenchmarkInspect -cpuprofile cpu.out ./guestfs",
		}, row{
			work: "the same, memory of the program and of one kernel's process (VmHWM)",
			ours: fmt.Sprintf("%.1f + %.1f MiB", float64(r.self)/1024, float64(r.kernel)/1024),
		})
	}
	return rows, nil
}

// makeFleet makes n overlays in a directory: one of each base by the tools of qemu, the
// others by writing the name of a host over that in its copy.
func makeFleet(dir string, kinds []string, n int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for k, kind := range kinds {
		base, err := testimg.BuildDebian(kind)
		if err != nil {
			return err
		}
		if err := preread(base); err != nil {
			return err
		}
		at, err := findBlock(base, []byte(testimg.DebianHostname+"\n"))
		if err != nil {
			return fmt.Errorf("%s: %w", base, err)
		}
		first := filepath.Join(dir, "first")
		if _, err := testimg.Run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=4096", "-b", base, "-F", "raw", first); err != nil {
			return err
		}
		// Once written to, the block has a cluster in the overlay.
		if _, err := testimg.Run("qemu-io", "-f", "qcow2", "-c", fmt.Sprintf("write -q -P 0x55 %d 4096", at), first); err != nil {
			return err
		}
		overlay, err := os.ReadFile(first)
		if err != nil {
			return err
		}
		if err := os.Remove(first); err != nil {
			return err
		}
		cluster := bytes.Index(overlay, bytes.Repeat([]byte{0x55}, 4096))
		if cluster < 0 {
			return fmt.Errorf("%s: no cluster in the overlay", kind)
		}
		for i := k; i < n; i += len(kinds) {
			clear(overlay[cluster : cluster+4096])
			copy(overlay[cluster:], fleetHostname(i)+"\n")
			if err := os.WriteFile(filepath.Join(dir, fleetHostname(i)), overlay, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// fleetHostname is as long as testimg.DebianHostname: what else says how long the file is
// stays as it is.
func fleetHostname(i int) string {
	return fmt.Sprintf("host-%0*d", len(testimg.DebianHostname)-len("host-"), i)
}

// findBlock returns where the block of an image begins that has a text and nothing else.
func findBlock(image string, text []byte) (int64, error) {
	f, err := os.Open(image)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	want := append(slices.Clone(text), make([]byte, 4096-len(text))...)
	buf := make([]byte, 1<<20)
	for off := int64(0); ; off += int64(len(buf)) {
		data, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if err != nil {
			return 0, fmt.Errorf("no block with %q: %w", text, err)
		}
		off = data / 4096 * 4096
		n, _ := f.ReadAt(buf, off)
		for i := 0; i+4096 <= n; i += 4096 {
			if bytes.Equal(buf[i:i+4096], want) {
				return off + int64(i), nil
			}
		}
	}
}

// fleetResult is what the child has measured.
type fleetResult struct {
	images       int
	took         time.Duration
	self, kernel int // KiB
}

// inspectFleet is the main function of the child: so many goroutines take the images of a
// directory in turns.
func inspectFleet(dir, workers string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(workers)
	if err != nil {
		return err
	}
	start := time.Now()
	var next atomic.Int32
	ends := make(chan error)
	for range n {
		go func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(files) {
					ends <- nil
					return
				}
				name := files[i].Name()
				if err := inspectOne(filepath.Join(dir, name), name); err != nil {
					ends <- fmt.Errorf("%s: %w", name, err)
					return
				}
			}
		}()
	}
	for range n {
		err = errors.Join(err, <-ends)
	}
	if err != nil {
		return err
	}
	took := time.Since(start)
	self, err := peak(os.Getpid())
	if err != nil {
		return err
	}
	var children unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &children); err != nil {
		return err
	}
	_, err = fmt.Println(len(files), took.Nanoseconds(), self, children.Maxrss)
	return err
}

func inspectOne(image, hostname string) error {
	g, err := guestfs.Create()
	if err != nil {
		return err
	}
	defer g.Close()
	options := &guestfs.OptargsAdd_drive{Readonly_is_set: true, Readonly: true, Format_is_set: true, Format: "qcow2"}
	if err := g.Add_drive(image, options); err != nil {
		return err
	}
	if err := g.Launch(); err != nil {
		return err
	}
	roots, err := g.Inspect_os()
	if err != nil {
		return err
	}
	if len(roots) != 1 {
		return fmt.Errorf("roots %q", roots)
	}
	name, err := g.Inspect_get_hostname(roots[0])
	if err != nil {
		return err
	}
	if name != hostname {
		return fmt.Errorf("the host's name is %s", name)
	}
	if err := g.Mount_ro(roots[0], "/"); err != nil {
		return err
	}
	apps, err := g.Inspect_list_applications2(roots[0])
	if err != nil {
		return err
	}
	if len(*apps) < 80 {
		return fmt.Errorf("%d applications", len(*apps))
	}
	return nil
}
