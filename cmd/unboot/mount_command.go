package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/fusefs"
	"github.com/unboot/unboot/lkl"
)

var mountCommand = command{
	name:     "mount",
	short:    "show the files of an image in a directory",
	synopsis: []string{"[OPTION...] IMAGE[:PATH] DIR", "[OPTION...] --all IMAGE DIR", ""},
	brief:    "[IMAGE[:PATH] DIR]",
	long: `Mounts an image, or a directory in it, on a directory of the host, by FUSE and without
root: every program can read the files then. It returns when they are there, and goes on in
the background until "unboot umount", or umount(8), ends it. Without arguments it lists what
is mounted.

  unboot mount disk.img /mnt && ls /mnt && unboot umount /mnt

Nothing can be written unless --rw says so, or --overlay, with which the image stays as it
is and what was written is forgotten at the end; --overlay-file keeps it in an image that has
this one as its backing file. What was written is in the image when "unboot umount" returns.

Files show their owners in the image. That is no hindrance, for without --allow-other only
the caller sees them and may do everything. With --allow-other the host checks permissions,
by the owners that --uid and --gid, or --map, say if not those of the image:

  --map 0:1000:1 --map 1000:101000:1000   the image's root is shown as user 1000

With --all, each file system has a directory of its own in DIR, named by its label or else
its device.

An image may be damaged so that looking at it never ends. A call that takes more than two
minutes of processor time, or as much as --cpu-limit says, ends the mount's kernel: all calls
fail from then on. By default that is so only where nothing is written to the image.

Device nodes and set-user-ID bits of the image mean nothing on the host, unless root says
-o dev or -o suid for an image that is trusted. -o takes the options of mount(8), and those of
this command by their long names: -o rw,allow_other,idle=10m. As /sbin/mount.fuse.unboot, it
is what mount(8) and fstab(5) start for the type fuse.unboot. With --service, it is what systemd
starts for fuservicemount3(8) of libfuse: it mounts what that asks for, without any rights.
`,
	args: []kind{kindImagePath, kindHost},
	options: func(f *flagSet) runFunc {
		m := &mounter{}
		m.declare(f)
		return m.run
	},
	examples: []string{"unboot mount disk.qcow2 /mnt", "unboot mount --rw -m /dev/vg/home disk.img:/user ~/mnt", "unboot mount --all disk.img /mnt"},
	image:    true,
	serves:   true,
}

// A mounter is the options of unboot mount.
type mounter struct {
	write, overlay, all, foreground bool
	service                         bool
	overlayFile                     string
	idle                            time.Duration
	words                           []string
	ids                             idOptions
	fuse                            fusefs.Options
	flags                           *flagSet       // all of them, for -o
	by                              fusefs.Mounter // who mounts, if not this program
}

func (m *mounter) declare(f *flagSet) {
	m.flags = f
	f.bool(&m.write, "w", "rw", "let the image be written to")
	f.bool(&m.overlay, "", "overlay", "let it be written to, but forget that at the end")
	f.string(&m.overlayFile, "", "overlay-file", "FILE", "keep what is written in this qcow2 image, which is made if it is not there").kind = kindHost
	f.bool(&m.all, "", "all", "all file systems, each in a directory of its own")
	f.bool(&m.fuse.AllowOther, "", "allow-other", "let other users in, as permissions say")
	m.ids.declare(f)
	f.duration(&m.idle, "", "idle", "TIME", "unmount when it was not used for a time such as 10m")
	f.bool(&m.fuse.Writeback, "", "writeback", "keep what is written on the host for a while: errors come late")
	f.bool(&m.foreground, "", "foreground", "stay in the foreground")
	f.bool(&m.service, "", "service", "mount what fuservicemount3(8) asks for, as a service of systemd")
	f.list(&m.words, "o", "options", "WORD[,WORD...]", "options of mount(8), or of this command")
}

func (m *mounter) run(a *app, args []string) error {
	if m.service {
		if len(args) > 0 {
			return badUsage("a --service is told by fuservicemount what to mount")
		}
		return m.serveContained(a)
	}
	if len(args) == 0 && len(m.words) == 0 {
		return listMounts(a)
	}
	if len(args) != 2 {
		return badUsage("expected IMAGE and DIR")
	}
	if err := m.check(a); err != nil {
		return err
	}
	dir, err := filepath.Abs(args[1])
	if err != nil {
		return err
	}
	ready, parent := readyPipe()
	if !m.foreground && !parent {
		return background(a)
	}
	lkl.Preload()
	a.lasting = true
	mounts, err := m.mount(a, parseTarget(args[0]), dir)
	if err != nil {
		return withoutFUSE(err, args[0])
	}
	for _, mt := range mounts {
		mt.record = newRecord(mt.Dir())
	}
	if ready != nil {
		a.detach(ready)
	}
	return m.serve(a, mounts)
}

// check looks at the options, before anything is opened.
func (m *mounter) check(a *app) error {
	rest, err := m.applyWords()
	if err != nil {
		return err
	}
	m.fuse.Options = rest
	if err := m.ids.set(&m.fuse); err != nil {
		return err
	}
	ways := 0
	for _, set := range []bool{m.write, m.overlay, m.overlayFile != ""} {
		if set {
			ways++
		}
	}
	switch {
	case ways > 1:
		return badUsage("--rw, --overlay and --overlay-file exclude each other")
	case m.all && len(a.opts.mounts) > 0:
		return badUsage("--all and -m exclude each other")
	case m.overlayFile != "" && len(a.opts.add) > 0:
		return badUsage("--overlay-file is for one disk (--overlay?)")
	}
	if a.opts.scratch = m.overlay; m.overlay {
		a.opts.scratchIn = os.TempDir()
	}
	m.fuse.ReadOnly = ways == 0
	return nil
}

// A mountedImage is one directory that is mounted.
type mountedImage struct {
	*fusefs.Mounted
	fs     *unboot.FS
	record *record
	// written is closed when the image has everything, if that is before its end.
	written chan struct{}
}

// mount opens the image and mounts it, or all file systems in it.
func (m *mounter) mount(a *app, t target, dir string) ([]*mountedImage, error) {
	if m.overlayFile != "" {
		if err := m.makeOverlay(a, &t); err != nil {
			return nil, err
		}
	}
	write := m.write || m.overlay || m.overlayFile != ""
	if m.all {
		if t.path != "" {
			return nil, badUsage("--all takes an IMAGE without a PATH")
		}
		o, err := a.open(t.image, write)
		if err != nil {
			return nil, err
		}
		return m.mountAll(a, o, dir)
	}
	o, err := a.tree(t.image, write)
	if err != nil {
		return nil, err
	}
	fsys := o.fs
	if p := t.clean(); p != "." {
		if fsys, err = fsys.OpenRoot(p); err != nil {
			return nil, o.about(p, err)
		}
	}
	mt, err := m.show(a, o, fsys, t.path, dir)
	if err != nil {
		return nil, err
	}
	return []*mountedImage{mt}, nil
}

// show mounts a tree on a directory.
func (m *mounter) show(a *app, o *opened, fsys *unboot.FS, path, dir string) (*mountedImage, error) {
	opts := m.fuse
	opts.Source = m.sourceName(o, path)
	opts.Log = func(err error) { a.fail(fmt.Errorf("%s: %w", quote(dir), err)) }
	var mt *fusefs.Mounted
	var err error
	if m.by != nil {
		mt, err = fusefs.MountBy(a.ctx, fsys, m.by, dir, &opts)
	} else {
		mt, err = fusefs.Mount(a.ctx, fsys, dir, &opts)
	}
	if err != nil {
		return nil, err
	}
	return &mountedImage{Mounted: mt, fs: fsys}, nil
}

// sourceName is what mount tables call an image. One that somebody else has opened has the name
// by which that one did.
func (m *mounter) sourceName(o *opened, path string) string {
	name := o.path
	if o.address == "" && m.by == nil {
		if abs, err := filepath.Abs(name); err == nil {
			name = abs
		}
	}
	if path != "" && path != "/" {
		name += ":" + path
	}
	return name
}

// withoutFUSE says what can be done instead where there is no FUSE.
func withoutFUSE(err error, arg string) error {
	if !errors.Is(err, fusefs.ErrNoFUSE) {
		return err
	}
	image := quote(disk.Display(parseTarget(arg).image))
	return fmt.Errorf("%w\nwithout it: \"unboot cp -R %s:/PATH DIR\" copies files, \"unboot ls\", \"cat\" and \"write\" work on single ones, and\n\"unboot nbd %s\" serves the disk to the host's own drivers", err, image, image)
}

// serve waits until everything is unmounted.
func (m *mounter) serve(a *app, mounts []*mountedImage) error {
	for _, mt := range mounts {
		if m.idle > 0 {
			go unmountIdle(mt.Mounted, m.idle)
		}
		// One of several that share the image can end while others stay.
		if len(mounts) > 1 {
			mt.written = make(chan struct{})
			go func() {
				mt.Wait()
				err := mt.fs.Unmount()
				if err != nil {
					a.fail(fmt.Errorf("%s: %w", quote(mt.Dir()), err))
				}
				mt.record.finish(err)
				close(mt.written)
			}()
		}
	}
	for _, mt := range mounts {
		// One that somebody else has mounted stays until that one unmounts it, or this process ends.
		var stopped <-chan struct{}
		if m.by != nil {
			stopped = a.ctx.Done()
		}
		select {
		case <-mt.Done():
		case <-stopped:
			return nil
		case <-a.life.Done():
			// The kernel is gone. The host finds that out when this process ends.
			return errReported
		}
		if len(mounts) > 1 {
			<-mt.written
		}
	}
	if len(mounts) == 1 {
		a.atRecord = mounts[0].record.finish
	}
	return nil
}

// unmountIdle unmounts when there was no request for a time, and nobody has anything open.
func unmountIdle(m *fusefs.Mounted, after time.Duration) {
	for {
		select {
		case <-m.Done():
			return
		case <-time.After(max(after-m.Idle(), 10*time.Millisecond)):
		}
		if m.Idle() >= after {
			if fusefs.Unmount(m.Dir(), false) == nil {
				return
			}
			// In use, though nobody asks for anything. It may be used for long.
			select {
			case <-m.Done():
				return
			case <-time.After(after):
			}
		}
	}
}

// mountAll mounts each file system on a directory of its own, which is made.
func (m *mounter) mountAll(a *app, o *opened, dir string) (mounts []*mountedImage, err error) {
	a.unlock(o)
	devices := o.img.FileSystems()
	if len(devices) == 0 {
		return nil, o.mountError(unboot.ErrNotFound)
	}
	used := map[string]bool{}
	for _, d := range devices {
		fsys, err := o.img.Mount(d.Name)
		if err != nil {
			a.fail(o.mountError(err))
			continue
		}
		name := directoryName(d, used)
		used[name] = true
		at := filepath.Join(dir, name)
		if err = os.Mkdir(at, 0o755); errors.Is(err, os.ErrExist) {
			err = nil
		}
		var mt *mountedImage
		if err == nil {
			mt, err = m.show(a, o, fsys, "", at)
		}
		if err != nil {
			for _, mt := range mounts {
				mt.End()
			}
			return nil, err
		}
		mounts = append(mounts, mt)
	}
	if len(mounts) == 0 {
		return nil, errReported
	}
	return mounts, nil
}

// directoryName returns what the directory of a file system is called.
func directoryName(d *unboot.Device, used map[string]bool) string {
	device := strings.ReplaceAll(strings.TrimPrefix(d.Name, "/dev/"), "/", "-")
	label := ""
	if d.Content != nil {
		label = strings.Map(func(r rune) rune {
			if r < ' ' || r == '/' || r == 0x7f {
				return '_'
			}
			return r
		}, strings.TrimSpace(d.Content.Label))
	}
	if label == "" || strings.Trim(label, ".") == "" || len(label) > 100 {
		return device
	}
	if used[label] {
		return label + "-" + device
	}
	return label
}
