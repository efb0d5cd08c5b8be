package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

const (
	unfinished = ".unfinished"
	// checkpoint is how often what was copied is made stable.
	checkpoint = 5 * time.Second
	// compared is how much of what was copied before is compared with the source.
	compared = 1 << 20
	// mostState bounds the file that says how far a conversion is, in bytes.
	mostState = 64 << 10
)

// A convertState is what has to be the same for a conversion to go on, and how far it is.
type convertState struct {
	Source string `json:"source"`
	// Identity tells the version of the source from others, as far as that is known.
	Identity    string `json:"identity"`
	Snapshot    string `json:"snapshot"`
	Format      string `json:"format"`
	Size        int64  `json:"size"`
	Kind        string `json:"kind"`
	ClusterSize int64  `json:"cluster_size"`
	Compression string `json:"compression"`
	Preallocate string `json:"preallocate"`
	Compress    bool   `json:"compress"`
	Encrypt     bool   `json:"encrypt"`
	// Done is where the part of the disk ends that is in the new image, and stable.
	Done int64 `json:"done"`
}

// An identity tells the version of an image from others, by all the files of this host that
// it consists of.
type identity struct {
	known hash.Hash // of what is known of them, or nil if there are none
	err   error
}

// add adds a file that is open.
func (i *identity) add(f *os.File) {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fmt.Errorf("%s: only a regular file says whether it has changed: --resume is not for others", quote(f.Name()))
	}
	if i.known == nil {
		i.known = sha256.New()
	}
	// The time of the last change is what programs set back that copy a file with its times.
	fmt.Fprintln(i.known, st.Dev, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano())
	i.err = errors.Join(i.err, err)
}

func (i *identity) String() string { return hex.EncodeToString(i.known.Sum(nil)) }

// A resumption is a conversion that may be gone on with.
type resumption struct {
	dst        disk.Device
	work, file string // the image, and the file of the state
	state      convertState
	at         int64 // what has been written ends there
	saved      time.Time
}

// goOn converts as run does, but keeps what is unfinished.
func (c *converter) goOn(a *app, args []string) error {
	if c.into || c.from.device != "" {
		return badUsage("--resume is not for --into and --device")
	}
	// The first signal leaves time to make stable what was copied.
	a.willWrite()
	var version string
	c.from.meter = func(m disk.Meter) {
		if v, ok := m.(interface{ Identity() string }); ok {
			version = v.Identity()
		}
	}
	var files identity
	c.from.opened = files.add
	src, err := c.from.open(a, args[0])
	if err != nil {
		return err
	}
	defer src.Close()
	if files.err != nil {
		return files.err
	}
	if files.known != nil {
		version = files.String()
	}
	c.options(src, args[1])
	c.to.format = c.to.formatOf(args[1])
	if c.to.options.Kind == "streamOptimized" {
		return badUsage("--resume is not for streamOptimized, which is written from its beginning to its end")
	}
	if _, err := c.to.replaces(args[1]); err != nil {
		return err
	}
	o := c.to.options
	r := &resumption{work: args[1] + unfinished, file: args[1] + unfinished + ".json"}
	r.state = convertState{Source: disk.Display(args[0]), Identity: version, Snapshot: a.opts.snapshot, Format: c.to.format, Size: o.Size, Kind: o.Kind,
		ClusterSize: o.ClusterSize, Compression: o.Compression, Preallocate: o.Preallocate, Compress: c.compress, Encrypt: c.to.encrypt}
	if err := r.open(a, c, src); err != nil {
		return err
	}
	err = c.copy(a, src, r.dst, args, disk.CopyOptions{Blank: true, Compress: c.compress, Start: r.state.Done, Progress: r.progress})
	if err == nil {
		err = r.dst.Close()
	} else {
		err = errors.Join(err, r.save(), r.dst.Close())
		return fmt.Errorf("%w (the same command goes on with %s)", err, quote(r.work))
	}
	if err == nil {
		err = c.to.rename(r.work, args[1])
	}
	if err == nil {
		err = errors.Join(os.Remove(r.file), syncDir(filepath.Dir(args[1])))
	}
	return err
}

// open opens what is unfinished, or creates it.
func (r *resumption) open(a *app, c *converter, src disk.Device) error {
	if _, err := os.Lstat(r.work); errors.Is(err, fs.ErrNotExist) {
		if c.to.encrypt {
			c.to.options.Encrypt = unboot.EncryptNew(a.life, unboot.Keys(a.opts.keys.key))
		}
		var err error
		if r.dst, err = source.Create(a.life, r.work, c.to.format, c.to.options, nil); err != nil {
			return openError(r.work, err)
		}
		return r.save()
	}
	had, err := r.read()
	if err != nil {
		return fmt.Errorf("%s: %w", quote(r.file), err)
	}
	want := r.state
	if want.Done = had.Done; had != want || had.Done < 0 || had.Done > had.Size {
		return fmt.Errorf("%s: it is of another conversion, or %s has changed since (remove it to begin again)", quote(r.work), quote(r.state.Source))
	}
	// What was written when it ended may have left room that nothing refers to.
	known := sources().Format(c.to.format)
	if known != nil && known.Check != nil {
		_, res, err := sources().Check(a.life, r.work, source.Options{Format: c.to.format}, disk.RepairLeaks)
		if err != nil {
			return openError(r.work, err)
		}
		if n := res.Errors - res.ErrorsFixed; n > 0 {
			return fmt.Errorf("%s: it is damaged: %s (remove it to begin again)", quote(r.work), count(n, "error"))
		}
	}
	if r.dst, err = sources().Open(a.life, r.work, source.Options{Writable: true, Format: c.to.format, Unlock: a.cipher()}); err != nil {
		return openError(r.work, err)
	}
	r.state, r.at = had, had.Done
	if err := r.compare(src); err != nil {
		r.dst.Close()
		return err
	}
	return nil
}

// read reads how far the conversion was.
func (r *resumption) read() (convertState, error) {
	var s convertState
	f, err := os.OpenFile(r.file, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return s, reason(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, mostState))
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	return s, err
}

// compare compares the end of what was copied with the source.
func (r *resumption) compare(src disk.Device) error {
	n := min(r.at, compared)
	a, b := make([]byte, n), make([]byte, n)
	if got, err := src.ReadAt(a, r.at-n); got < len(a) {
		return err
	}
	if got, err := r.dst.ReadAt(b, r.at-n); got < len(b) {
		return err
	}
	if !bytes.Equal(a, b) {
		return fmt.Errorf("%s: what was copied is not what is there now (remove it to begin again)", quote(r.work))
	}
	return nil
}

// progress notes that n bytes more have been written, and now and then that they are stable.
func (r *resumption) progress(n int64) {
	r.at += n
	if time.Since(r.saved) >= checkpoint {
		r.save() // if it fails, the next time, or the end of the copy, says so
	}
}

// save makes stable what was written, and then says so.
func (r *resumption) save() error {
	if err := r.dst.Flush(); err != nil {
		return err
	}
	r.state.Done, r.saved = r.at, time.Now()
	b, err := json.Marshal(r.state)
	if err != nil {
		return err
	}
	// The name has it whole, or as it was.
	temp := r.file + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temp, r.file)
	}
	return err
}
