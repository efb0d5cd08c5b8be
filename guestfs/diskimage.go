package guestfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// qemuNames are the formats that QEMU recognizes, of those that unboot reads: everything
// else is raw for it, such as a compressed file.
var qemuNames = []string{"raw", "qcow2", "vmdk", "vdi", "vpc", "vhdx", "qcow", "qed", "parallels", "bochs", "cloop", "dmg"}

// diskFormat returns the format of an image as qemu calls it.
func (g *Guestfs) diskFormat(filename string) (string, error) {
	format, err := source.Detect(context.Background(), filename)
	if err == nil {
		if !slices.Contains(qemuNames, format) {
			format = "raw"
		}
		return format, nil
	}
	if _, ok := errors.AsType[*disk.FormatError](err); ok {
		return "raw", nil // an archive, or whatever qemu does not look for
	}
	if errors.Is(err, disk.ErrEmpty) {
		return "raw", nil
	}
	return "", pathError(err)
}

// info returns what an image says of itself, nil if it is raw.
func (g *Guestfs) info(filename string) (*source.Info, error) {
	format, err := g.diskFormat(filename)
	if err != nil || format == "raw" {
		return nil, err
	}
	if !slices.Contains(source.Names(), format) {
		return nil, errorf(syscall.ENOTSUP, "%s: format %s is not one that unboot reads", filename, format)
	}
	info, err := source.Stat(context.Background(), filename, source.Options{Format: format})
	if err != nil {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err
		}
		return nil, perror(err, "%s", filename)
	}
	return info, nil
}

func (g *Guestfs) diskVirtualSize(filename string) (int64, error) {
	info, err := g.info(filename)
	switch {
	case errors.Is(err, syscall.ENOTSUP):
		info, e := qemuInfo(filename)
		if e != nil {
			return -1, err
		}
		return info.Size, nil
	case err != nil:
		return -1, err
	case info != nil:
		return info.Size, nil
	}
	f, err := os.Open(filename)
	if err != nil {
		return -1, pathError(err)
	}
	defer f.Close()
	n, err := f.Seek(0, 2) // also of block devices
	if err != nil {
		return -1, pathError(err)
	}
	return n, nil
}

func (g *Guestfs) diskHasBackingFile(filename string) (bool, error) {
	info, err := g.info(filename)
	switch {
	case errors.Is(err, syscall.ENOTSUP):
		info, e := qemuInfo(filename)
		if e != nil {
			return false, err
		}
		return info.Backing != "", nil
	case err != nil || info == nil:
		return false, err
	}
	return slices.ContainsFunc(info.References, func(r disk.Reference) bool { return r.Role == disk.BackingFile }), nil
}

type imageInfo struct {
	Size    int64  `json:"virtual-size"`
	Backing string `json:"backing-filename"`
}

// qemuInfo asks qemu-img(1), for formats that are not ours.
func qemuInfo(filename string) (info imageInfo, err error) {
	abs, err := filepath.Abs(filename)
	if err != nil {
		return info, err
	}
	out, err := exec.Command("qemu-img", "info", "-U", "--output", "json", abs).Output()
	if err != nil {
		return info, err
	}
	return info, json.Unmarshal(out, &info)
}

// diskCreate makes an image.
func (g *Guestfs) diskCreate(filename, format string, size int64, o *OptargsDisk_create) error {
	o = orNone(o)
	switch backed := o.Backingfile_is_set; {
	case backed && size != -1 && size < 0, !backed && size < 0:
		return errorf(syscall.EINVAL, "invalid size: %d", size)
	case o.Backingformat_is_set && !backed:
		return errorf(syscall.EINVAL, "backingformat can only be used with backingfile")
	}
	switch format {
	case "raw":
		return createRaw(filename, size, o)
	case "qcow2":
		return createQcow2(filename, size, o)
	}
	return errorf(syscall.ENOTSUP, "unknown or unsupported disk format: %s", format)
}

func createRaw(filename string, size int64, o *OptargsDisk_create) error {
	full := false
	switch {
	case o.Backingfile_is_set:
		return errorf(syscall.EINVAL, "backingfile cannot be used for raw format disks")
	case o.Compat_is_set, o.Clustersize_is_set:
		return errorf(syscall.EINVAL, "compat and clustersize cannot be used for raw format disks")
	case o.Preallocation_is_set:
		switch o.Preallocation {
		case "off", "sparse":
		case "full":
			full = true
		default:
			return errorf(syscall.EINVAL, "invalid value for preallocation parameter '%s'", o.Preallocation)
		}
	}
	if st, err := os.Stat(filename); err == nil && st.Mode()&os.ModeDevice != 0 {
		return nil // a block device is there, with a size of its own
	}
	f, err := os.OpenFile(filename, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOCTTY, 0o666)
	if err != nil {
		return perror(bare(err), "cannot create raw file: %s", filename)
	}
	err = f.Truncate(size)
	if err == nil && full && size > 0 {
		err = unix.Fallocate(int(f.Fd()), 0, 0, size)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(filename)
		return perror(bare(err), "%s", filename)
	}
	return nil
}

// createQcow2 has qemu-img(1) make an image.
func createQcow2(filename string, size int64, o *OptargsDisk_create) error {
	var options []string
	add := func(name, value string) {
		options = append(options, name+"="+strings.ReplaceAll(value, ",", ",,"))
	}
	if o.Backingfile_is_set {
		add("backing_file", o.Backingfile)
		if o.Backingformat_is_set {
			add("backing_fmt", o.Backingformat)
		}
	}
	if o.Preallocation_is_set {
		switch o.Preallocation {
		case "off", "sparse":
			add("preallocation", "off")
		case "metadata", "full":
			add("preallocation", o.Preallocation)
		default:
			return errorf(syscall.EINVAL, "invalid value for preallocation parameter '%s'", o.Preallocation)
		}
	}
	if o.Compat_is_set {
		if o.Compat != "0.10" && o.Compat != "1.1" {
			return errorf(syscall.EINVAL, "invalid value for compat parameter '%s'", o.Compat)
		}
		add("compat", o.Compat)
	}
	if o.Clustersize_is_set {
		if c := o.Clustersize; c < 512 || c > 2<<20 || c&(c-1) != 0 || c > math.MaxInt32 {
			return errorf(syscall.EINVAL, "invalid value for clustersize parameter '%d'", c)
		}
		add("cluster_size", fmt.Sprint(o.Clustersize))
	}
	abs, err := filepath.Abs(filename)
	if err != nil {
		return pathError(err)
	}
	args := []string{"create", "-q", "-f", "qcow2"}
	if len(options) > 0 {
		args = append(args, "-o", strings.Join(options, ","))
	}
	args = append(args, abs)
	if size != -1 || !o.Backingfile_is_set {
		args = append(args, fmt.Sprint(size))
	}
	out, err := exec.Command("qemu-img", args...).CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return errorf(syscall.ENOTSUP, "qcow2 images are made by qemu-img(1), which is not installed")
	case err != nil:
		return errorf(0, "qemu-img: %s: %s: %v", filename, strings.TrimSpace(string(out)), err)
	}
	return nil
}
