package unboot

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/internal/md"
)

// A leftover is a block device that a program has set up and left, and that the image may
// not know; or a volume of the image, to be removed with those.
type leftover struct {
	label  string // how users know it
	number int    // of the kernel's name, as in dm-3
	ours   bool   // it is a volume of the image
	remove func() error
}

// removeLeftovers takes away what programs have left on the image's devices and in its files:
// devices of the device mapper, arrays, loop devices. Each writes what it holds back when it
// goes, and keeps what it lies on in use until then. What a volume of the image lies on, as the
// origin of a snapshot that lvcreate(8) has made does, stays for removeVolumes.
//
// Preconditions: the programs have ended.
func (img *Image) removeLeftovers() {
	// A loop device keeps the file system in use that its file is in.
	isLoop := func(l leftover) bool { return strings.HasPrefix(l.label, "/dev/loop") }
	img.removeAll(func() ([]leftover, error) {
		list, err := img.leftovers()
		if !slices.ContainsFunc(list, isLoop) {
			for _, l := range list {
				l.remove()
			}
			return nil, err
		}
		return list, err
	})
}

// removeVolumes takes all volumes away, so that what they hold back is on the disks, and what
// programs have left.
//
// Preconditions: the programs have ended, and nothing is mounted.
func (img *Image) removeVolumes() error {
	return img.removeAll(func() ([]leftover, error) {
		list, err := img.leftovers()
		for _, l := range slices.Backward(slices.Clone(img.loaded)) {
			list = append(list, leftover{label: l.plan.Name, remove: func() error { return img.remove(l) }, ours: true})
		}
		return list, err
	})
}

// removeAll removes what there is, until there is nothing, or nothing of it goes any more.
func (img *Image) removeAll(what func() ([]leftover, error)) error {
	wait, fewest := time.Millisecond, math.MaxInt
	for {
		list, err := what()
		if err != nil {
			return err
		}
		var errs []error
		for _, l := range list {
			if err := l.remove(); err != nil && l.ours {
				errs = append(errs, fmt.Errorf("%s: %w", l.label, err))
			} else if err != nil {
				errs = append(errs, fmt.Errorf("%s, which a program has set up and left: %w", l.label, err))
			}
		}
		switch {
		case len(errs) == 0:
			return nil
		case len(errs) < fewest && len(errs) < len(list):
			fewest = len(errs) // what lay on others has gone
			continue
		case wait > time.Second || !img.hasRun():
			return errors.Join(errs...)
		}
		// The kernel unmounts what a program had mounted some time after its end.
		time.Sleep(wait)
		wait *= 2
	}
}

// hasRun reports whether a program has run.
func (img *Image) hasRun() bool {
	img.mu.Lock()
	defer img.mu.Unlock()
	return img.commands != nil
}

// leftovers returns what there is, what was set up last first: mostly it lies on the others.
func (img *Image) leftovers() (list []leftover, err error) {
	if !img.hasRun() {
		return nil, nil
	}
	var names []string
	for e, err := range img.k.ReadDirAt(unix.AT_FDCWD, "/sys/block", 0, 0, 0) {
		if err != nil {
			return nil, fmt.Errorf("/sys/block: %w", err)
		}
		names = append(names, e.Name)
	}
	for _, name := range names {
		var l leftover
		kind := strings.TrimRight(name, "0123456789")
		if l.number, err = strconv.Atoi(name[len(kind):]); err != nil {
			continue
		}
		ours := func(o *loaded) bool { return o.node == "/dev/"+name }
		if slices.ContainsFunc(img.loaded, ours) || img.found.Load().named("/dev/"+name) != nil {
			continue
		}
		switch kind {
		case "dm-":
			err = img.leftMapped(&l, name)
		case "md":
			l.label, l.remove = md.Node(l.number), func() error { return md.Stop(img.k, l.number) }
		case "loop":
			err = img.leftLoop(&l, name)
		}
		if err == nil && l.remove != nil {
			list = append(list, l)
		}
	}
	slices.SortStableFunc(list, func(a, b leftover) int { return b.number - a.number })
	return list, nil
}

// leftMapped completes a leftover of the device mapper.
func (img *Image) leftMapped(l *leftover, node string) error {
	text, err := img.k.ReadFile("/sys/block/"+node+"/dm/name", 256)
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(string(text), "\n")
	l.label = "/dev/mapper/" + name
	l.remove = func() error {
		control, err := dm.Open(img.k)
		if err != nil {
			return err
		}
		defer control.Close()
		return control.Remove(name)
	}
	return nil
}

// leftLoop completes a leftover that is a loop device.
func (img *Image) leftLoop(l *leftover, node string) error {
	const file = "/loop/backing_file"
	if _, err := img.k.ReadFile("/sys/block/"+node+file, 1<<16); err != nil {
		return err // it has none
	}
	l.label = "/dev/" + node
	l.remove = func() error {
		fd, err := img.k.Open(l.label, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		_, err = img.k.IoctlInt(fd, unix.LOOP_CLR_FD, 0)
		if err = errors.Join(err, img.k.CloseFd(fd)); err != nil {
			return err
		}
		// It goes when nothing has it open any more.
		if err := img.k.Faccessat(unix.AT_FDCWD, "/sys/block/"+node+file, 0, 0); err != unix.ENOENT {
			return unix.EBUSY
		}
		return nil
	}
	return nil
}
