package guestfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxDisks is how many drives a handle takes, as with the direct backend of the C library.
const maxDisks = 255

// drive is a drive that was added.
type drive struct {
	path     string // absolute host path, or the path at the server
	readonly bool
	scratch  bool // made for this handle: contents need not be kept
	format   string
	name     string
	label    string
	protocol string // "" for a file
	servers  []string
	username string
	secret   string

	cachemode  string
	discard    string
	copyonread bool
	blocksize  int
}

// protocols are those of guestfs_add_drive_opts but for files.
var protocols = []string{"ftp", "ftps", "http", "https", "iscsi", "nbd", "rbd", "ssh"}

func (g *Guestfs) addDrive(filename string, o *OptargsAdd_drive) error {
	o = orNone(o)
	d := drive{
		path:       filename,
		readonly:   o.Readonly_is_set && o.Readonly,
		format:     given(o.Format_is_set, o.Format),
		name:       given(o.Name_is_set, o.Name),
		label:      given(o.Label_is_set, o.Label),
		protocol:   given(o.Protocol_is_set, o.Protocol),
		username:   given(o.Username_is_set, o.Username),
		secret:     given(o.Secret_is_set, o.Secret),
		cachemode:  given(o.Cachemode_is_set, o.Cachemode),
		discard:    given(o.Discard_is_set, o.Discard),
		copyonread: o.Copyonread_is_set && o.Copyonread,
	}
	if o.Server_is_set {
		d.servers = slices.Clone(o.Server)
	}
	if o.Blocksize_is_set {
		d.blocksize = o.Blocksize
	}
	if d.protocol == "file" {
		d.protocol = ""
	}
	if err := d.check(); err != nil {
		return err
	}
	switch {
	case filename == "/dev/null":
		return g.addEmpty(d)
	case d.protocol == "":
		path, err := realFile(filename, d.readonly)
		if err != nil {
			return err
		}
		d.path = path
	}
	return g.add(d)
}

// given returns an optional argument, or "".
func given(set bool, value string) string {
	if set {
		return value
	}
	return ""
}

// check looks at what a drive says of itself.
func (d *drive) check() error {
	if strings.Contains(d.path, ":") && d.protocol == "" {
		return errorf(0, "filename cannot contain ':' (colon) character")
	}
	if strings.Trim(d.format, letters+digits+"-_") != "" {
		return errorf(0, "format parameter is empty or contains disallowed characters")
	}
	if strings.Trim(d.label, letters) != "" || len(d.label) > 20 {
		return errorf(0, "label parameter is empty, too long, or contains disallowed characters")
	}
	switch d.cachemode {
	case "", "writeback", "unsafe":
	default:
		return errorf(0, "cachemode parameter must be 'writeback' or 'unsafe'")
	}
	switch d.discard {
	case "", "disable", "enable", "besteffort":
	default:
		return errorf(0, "discard parameter must be 'disable', 'enable' or 'besteffort'")
	}
	if d.discard == "enable" && d.readonly {
		return errorf(syscall.ENOTSUP, "discard support cannot be enabled on a read-only drive")
	}
	switch d.blocksize {
	case 0, 512, 4096:
	default:
		return errorf(syscall.EINVAL, "invalid block size %d: must be 512 or 4096", d.blocksize)
	}
	if d.protocol == "" {
		if d.servers != nil {
			return errorf(0, "you cannot specify a server list with file-backed disks")
		}
		if d.username != "" || d.secret != "" {
			return errorf(0, "you cannot specify a username or secret with file-backed disks")
		}
		return nil
	}
	if !slices.Contains(protocols, d.protocol) {
		return errorf(0, "unknown protocol '%s'", d.protocol)
	}
	if len(d.servers) == 0 && d.protocol != "rbd" {
		return errorf(0, "a server is needed for protocol '%s'", d.protocol)
	}
	return nil
}

// discards reports whether what programs discard is given back to the host.
func (d *drive) discards() bool { return d.discard == "enable" || d.discard == "besteffort" }

// realFile returns the absolute path of an image that can be used.
func realFile(name string, readonly bool) (string, error) {
	path, err := filepath.Abs(name)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", perror(bare(err), "%s", name)
	}
	mode := uint32(unix.R_OK)
	if !readonly {
		mode |= unix.W_OK
	}
	if err := unix.Access(path, mode); err != nil {
		return "", perror(err, "%s", name)
	}
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return "", perror(syscall.EISDIR, "%s", name)
	}
	return path, nil
}

// bare returns the errno of an error, or the error.
func bare(err error) error {
	var n syscall.Errno
	if errors.As(err, &n) {
		return n
	}
	return err
}

func (g *Guestfs) add(d drive) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.state != configuring:
		return errorf(syscall.EOPNOTSUPP, "drives can only be added before launch: there is no hotplugging")
	case len(g.drives) == maxDisks:
		return errorf(0, "too many drives: at most %d", maxDisks)
	}
	for _, other := range g.drives {
		if d.label != "" && other.label == d.label {
			return errorf(syscall.EEXIST, "there is a drive with label %s", d.label)
		}
	}
	g.drives = append(g.drives, d)
	return nil
}

// emptySize is how large the drive is that stands for /dev/null.
const emptySize = 4096

func (g *Guestfs) addEmpty(d drive) error {
	if d.format != "" && d.format != "raw" {
		return errorf(0, "for device '/dev/null', format must be 'raw'")
	}
	d.readonly = false // only this handle has it
	return g.addTemp(d, "devnull", emptySize)
}

func (g *Guestfs) addTemp(d drive, name string, size int64) error {
	g.mu.Lock()
	n := len(g.drives)
	g.mu.Unlock()
	path, err := g.tempFile(fmt.Sprintf("%s%d.img", name, n+1))
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err == nil {
		err = f.Truncate(size)
		f.Close()
	}
	if err != nil {
		return pathError(err)
	}
	d.path, d.format, d.scratch, d.cachemode = path, "raw", true, "unsafe"
	return g.add(d)
}

func (g *Guestfs) addDriveScratch(size int64, o *OptargsAdd_drive_scratch) error {
	if size <= 0 {
		return errorf(syscall.EINVAL, "invalid size")
	}
	o = orNone(o)
	d := drive{name: given(o.Name_is_set, o.Name), label: given(o.Label_is_set, o.Label)}
	if o.Blocksize_is_set {
		d.blocksize = o.Blocksize
	}
	if err := d.check(); err != nil {
		return err
	}
	return g.addTemp(d, "scratch", size)
}

func (g *Guestfs) addDriveRo(filename string) error {
	return g.addDrive(filename, &OptargsAdd_drive{Readonly_is_set: true, Readonly: true})
}

func (g *Guestfs) addDriveRoWithIf(filename, iface string) error { return g.addDriveRo(filename) }
func (g *Guestfs) addDriveWithIf(filename, iface string) error   { return g.addDrive(filename, nil) }

// addCdrom adds an image of a CD, which is a drive like others.
func (g *Guestfs) addCdrom(filename string) error { return g.addDriveRo(filename) }

func (g *Guestfs) maxDisks() (int, error) { return maxDisks, nil }

func (g *Guestfs) removeDrive(label string) error {
	return errorf(syscall.EOPNOTSUPP, "drives cannot be removed: there is no hotplugging")
}

// debugDrives returns a line a drive.
func (g *Guestfs) debugDrives() ([]string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := []string{}
	for _, d := range g.drives {
		l = append(l, d.describe())
	}
	return l, nil
}

func (d *drive) describe() string {
	words := []string{d.path}
	for _, w := range []struct {
		on   bool
		text string
	}{
		{d.readonly, "readonly"}, {d.format != "", "format=" + d.format}, {d.name != "", "name=" + d.name},
		{d.label != "", "label=" + d.label}, {d.protocol != "", "protocol=" + d.protocol},
		{d.cachemode != "", "cache=" + d.cachemode}, {d.discards(), "discard=" + d.discard},
		{d.copyonread, "copyonread"}, {d.blocksize != 0, fmt.Sprintf("blocksize=%d", d.blocksize)},
	} {
		if w.on {
			words = append(words, w.text)
		}
	}
	return strings.Join(words, " ")
}
