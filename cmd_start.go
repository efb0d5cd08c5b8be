package unboot

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// Start starts the program and returns when it runs, or an error: that of execve(2) in a
// *fs.PathError, an *exec.Error that wraps exec.ErrNotFound where Path has no slash and is in
// no directory of PATH, or one that wraps [lkl.ErrNoPrograms]. After it Wait must be called.
func (c *Cmd) Start() error {
	c.mu.Lock()
	again := c.started
	c.started = true
	c.mu.Unlock()
	if again {
		return errors.New("unboot: command was started already")
	}
	c.streams.k = c.kernel()
	err := c.start()
	c.streams.closeTheirs()
	if err != nil {
		c.streams.closeOurs()
		c.finish()
		return err
	}
	c.streams.run()
	go c.reap()
	if c.ctx != nil && c.ctx.Done() != nil {
		c.watched = make(chan ctxResult)
		go c.watch()
	}
	return nil
}

// start makes what the program needs, and starts it.
func (c *Cmd) start() error {
	switch {
	case c.err != nil:
		return c.err
	case c.ctx != nil && c.ctx.Err() != nil:
		return c.ctx.Err()
	case c.Path == "" && len(c.Args) == 0:
		return errors.New("unboot: command has no Path")
	case c.ctx == nil && c.Cancel != nil:
		return errors.New("unboot: command with a Cancel, and without a context")
	}
	unlock, err := c.hold()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.kernel().StartPrograms(); err != nil {
		return err
	}
	who, err := c.who()
	if err != nil {
		return err
	}
	x := &lkl.Exec{
		Args: c.Args, Env: c.environment(who), Dir: CleanPath(c.Dir), Identity: who.Identity,
		Hostname: c.hostname(), CPUTime: c.CPUTime, Processes: c.Processes, Terminal: c.Tty != nil,
	}
	if len(x.Args) == 0 {
		x.Args = []string{c.Path}
	}
	x.Dir = absolute(x.Dir)
	if x.File, err = c.lookPath(x.Env); err != nil {
		return err
	}
	if err := c.emulate(x.File); err != nil {
		return err
	}
	m := &cmdMounts{k: c.kernel()}
	defer m.close()
	if err := c.mounts(m); err != nil {
		c.release = m.release
		return err
	}
	x.Mounts, c.release = m.list, m.release
	if x.Fds, err = c.streams.prepare(c, m.pts, who.UID); err != nil {
		return err
	}
	if err := c.openSyncs(); err != nil {
		return err
	}
	c.img.losses.begin(c.img)
	if c.program, err = c.kernel().Exec(x); err != nil {
		if errno, ok := err.(unix.Errno); ok {
			err = c.execError(x, errno)
		}
		return err
	}
	c.ended = make(chan struct{})
	c.img.runs(c)
	return nil
}

// hold keeps what the command runs on until it is known to run, so that whoever ends that
// ends the command too.
func (c *Cmd) hold() (unlock func(), err error) {
	if c.f != nil {
		if err := c.f.begin(); err != nil {
			return nil, &fs.PathError{Op: "exec", Path: c.Path, Err: err}
		}
		return c.f.t.end, nil
	}
	c.img.mountMu.Lock()
	if err := c.img.err(); err != nil {
		c.img.mountMu.Unlock()
		return nil, &fs.PathError{Op: "exec", Path: c.Path, Err: err}
	}
	return c.img.mountMu.Unlock, nil
}

// openSyncs opens the file systems that are to be synced when the program has ended. It may
// have changed their paths by then.
func (c *Cmd) openSyncs() error {
	if c.f == nil || !c.img.writable {
		return nil
	}
	root := c.kernel().Chroot(c.f.t.root)
	for _, m := range c.f.t.mounts {
		if m.ReadOnly {
			continue
		}
		fd, err := root.Open("/"+m.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: m.Dir, Err: err}
		}
		c.syncs = append(c.syncs, fd)
	}
	return nil
}

// reap waits for the end of the program, and does what is to be done then, whether or not
// anybody calls Wait.
func (c *Cmd) reap() {
	exit, err := c.program.Wait()
	c.streams.stop()
	if cerr := c.program.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		c.exit = exit
		for _, fd := range c.syncs {
			if serr := c.kernel().Syncfs(fd); serr != nil {
				err = errors.Join(err, fmt.Errorf("sync: %w", serr))
			}
		}
	}
	if lost := c.img.lostWrites(); err == nil {
		err = lost
	}
	c.endErr = errors.Join(err, c.finish())
	c.img.ran(c)
	close(c.ended)
}

// finish gives back what the command has had of the kernel.
func (c *Cmd) finish() (err error) {
	for _, fd := range c.syncs {
		c.kernel().CloseFd(fd)
	}
	for _, release := range slices.Backward(c.release) {
		err = errors.Join(err, release())
	}
	c.syncs, c.release = nil, nil
	return err
}

// runs notes a command that runs.
func (img *Image) runs(c *Cmd) {
	img.mu.Lock()
	defer img.mu.Unlock()
	if img.commands == nil {
		img.commands = map[*Cmd]struct{}{}
	}
	img.commands[c] = struct{}{}
}

// ran forgets it.
func (img *Image) ran(c *Cmd) {
	img.mu.Lock()
	defer img.mu.Unlock()
	delete(img.commands, c)
}

// endCommands kills the commands that run on a tree, or those on none if t is nil, and waits
// until they are gone.
//
// Preconditions: none can start meanwhile, as hold has it.
func (img *Image) endCommands(t *tree) {
	img.mu.Lock()
	var list []*Cmd
	for c := range img.commands {
		if c.f == nil && t == nil || c.f != nil && c.f.t == t {
			list = append(list, c)
		}
	}
	img.mu.Unlock()
	for _, c := range list {
		c.Kill()
	}
	for _, c := range list {
		<-c.ended
	}
}
