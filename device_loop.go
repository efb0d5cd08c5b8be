package unboot

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume/probe"
)

// attachLoop makes a file that is open a block device, which is there until no mount or file has it
// open or mounted. The device is open in what it returns.
func (img *Image) attachLoop(file int, readOnly bool) (d *Device, loop *File, err error) {
	var st unix.Statx_t
	if err := img.k.Fstatx(file, unix.STATX_BASIC_STATS, &st); err != nil {
		return nil, nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, nil, unix.EINVAL
	}
	loop, name, err := img.newLoop(file, readOnly)
	if err != nil {
		return nil, nil, err
	}
	d = &Device{Name: name, Kind: KindLoop, Size: int64(st.Size)}
	if d.Content, err = probe.Probe(loop, d.Size); err != nil {
		loop.Close()
		return nil, nil, err
	}
	return d, loop, nil
}

// newLoop makes a file that is open a block device, which is there until it is closed.
func (img *Image) newLoop(file int, readOnly bool) (loop *File, name string, err error) {
	k := img.k
	control, err := k.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", err
	}
	defer k.CloseFd(control)
	// Another goroutine may take the device that is free before it has a file.
	for range maxLoopTries {
		n, err := k.IoctlInt(control, unix.LOOP_CTL_GET_FREE, 0)
		if err != nil {
			return nil, "", err
		}
		name = fmt.Sprint("/dev/loop", n)
		if loop, err = img.OpenNode(name, unix.O_RDWR); err != nil {
			return nil, "", errors.Unwrap(err)
		}
		if err = setLoop(loop, file, readOnly); err == nil {
			return loop, name, nil
		}
		loop.Close()
		if !errors.Is(err, unix.EBUSY) {
			return nil, "", err
		}
	}
	return nil, "", unix.EBUSY
}

// maxLoopTries is how often a free loop device is asked for.
const maxLoopTries = 64

// setLoop gives a loop device its file.
func setLoop(loop *File, file int, readOnly bool) error {
	// A struct loop_config of linux/loop.h: descriptor, size of blocks, and a struct
	// loop_info64; only its flags are used.
	const size, flagsAt = 304, 60
	config := make([]byte, size)
	flags := uint32(unix.LO_FLAGS_AUTOCLEAR)
	if readOnly {
		flags |= unix.LO_FLAGS_READ_ONLY
	}
	binary.NativeEndian.PutUint32(config, uint32(file))
	binary.NativeEndian.PutUint32(config[flagsAt:], flags)
	_, err := loop.View().Ioctl(loop.Fd(), unix.LOOP_CONFIGURE, config)
	return err
}

// addLoop adds a loop device, whose file is open, to the graph.
func (img *Image) addLoop(d *Device, file int) {
	img.mountMu.Lock()
	defer img.mountMu.Unlock()
	if !img.hasLoop(d) {
		return // unmounted since
	}
	g := img.newGraph()
	for _, o := range g.old.devices {
		if o.Name != d.Name {
			g.keep(o)
		}
	}
	g.disks, g.notes, g.inactive = g.old.disks, g.old.notes, g.old.inactive
	var parents []*Device
	for _, p := range img.holders(file) {
		if p = g.named(p.Name); p != nil {
			parents = append(parents, p)
		}
	}
	g.add(d, parents...)
	g.publish()
}

// keep adds a device of the graph before as it is, on those of its parents that are still
// there.
func (g *graph) keep(d *Device) {
	var parents []*Device
	for _, o := range g.old.parents[d] {
		if p := g.named(o.Name); p != nil {
			parents = append(parents, p)
		}
	}
	g.add(d, parents...)
}

// keepLoops adds the loop devices of the graph before that are still there.
func (g *graph) keepLoops() {
	for _, d := range g.old.devices {
		if d.Kind != KindLoop || !g.img.hasLoop(d) {
			continue
		}
		g.keep(d)
	}
}

// dropLoops takes the loop devices off the graph that are not there any more.
//
// Preconditions: mountMu is held.
func (img *Image) dropLoops() {
	gone := func(d *Device) bool { return d.Kind == KindLoop && !img.hasLoop(d) }
	if !slices.ContainsFunc(img.found.Load().devices, gone) {
		return
	}
	g := img.newGraph()
	g.disks, g.notes, g.inactive = g.old.disks, g.old.notes, g.old.inactive
	for _, d := range g.old.devices {
		if d.Kind != KindLoop {
			g.keep(d)
		}
	}
	g.keepLoops()
	g.publish()
}

// hasLoop reports whether a loop device has a file.
func (img *Image) hasLoop(d *Device) bool {
	_, err := img.k.ReadFile("/sys/block/"+strings.TrimPrefix(d.Name, "/dev/")+"/loop/backing_file", 1<<16)
	return err == nil
}

// holders returns the devices of the file system that a file, which is open, is in. It
// asks the kernel: the path by which a file was opened may lead through links and mounts.
func (img *Image) holders(file int) []*Device {
	var st unix.Statx_t
	if err := img.k.Fstatx(file, unix.STATX_MNT_ID, &st); err != nil {
		return nil
	}
	text, err := img.k.ReadFile("/proc/self/mountinfo", 1<<24)
	if err != nil {
		return nil
	}
	d := img.found.Load().named(mountSource(text, st.Mnt_id))
	if d == nil {
		return nil
	}
	if pool := d.Pool(); len(pool) > 0 {
		return pool
	}
	return []*Device{d}
}

// mountSource returns the device of the mount with an ID, from the text of proc(5)'s
// mountinfo; "" if there is none.
func mountSource(mountinfo []byte, id uint64) string {
	lines := bufio.NewScanner(bytes.NewReader(mountinfo))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		if first, _, _ := strings.Cut(before, " "); first != strconv.FormatUint(id, 10) {
			continue
		}
		if f := strings.Fields(after); len(f) > 1 { // type, source, options
			return f[1]
		}
	}
	return ""
}
