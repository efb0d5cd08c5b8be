package guestfs

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/qcow2"
)

// diskFormat returns the format of an image as qemu calls it.
func (g *Guestfs) diskFormat(filename string) (string, error) {
	raw, err := disk.OpenRaw(filename, disk.Options{NoLock: true})
	if err == nil {
		raw.Close()
		return "raw", nil
	}
	var foreign *disk.FormatError
	switch {
	case errors.As(err, &foreign):
		switch f := foreign.Format; f {
		case "qcow2", "qed", "vmdk", "vdi", "vhdx", "parallels", "dmg":
			return f, nil
		case "vhd":
			return "vpc", nil
		}
		return "raw", nil // compressed, or an archive: qemu does not look for those
	case errors.Is(err, disk.ErrEmpty):
		return "raw", nil
	}
	return "", pathError(err)
}

// header returns the header of a qcow2 image, nil if the image is raw.
func (g *Guestfs) header(filename string) (*qcow2.Header, error) {
	format, err := g.diskFormat(filename)
	if err != nil || format == "raw" {
		return nil, err
	}
	if format != "qcow2" {
		return nil, errorf(syscall.ENOTSUP, "%s: format %s is not one that unboot reads", filename, format)
	}
	f, err := os.Open(filename)
	if err != nil {
		return nil, pathError(err)
	}
	defer f.Close()
	h, err := qcow2.ReadHeader(f)
	if err != nil {
		return nil, perror(err, "%s", filename)
	}
	return h, nil
}

func (g *Guestfs) diskVirtualSize(filename string) (int64, error) {
	h, err := g.header(filename)
	switch {
	case errors.Is(err, syscall.ENOTSUP):
		info, e := qemuInfo(filename)
		if e != nil {
			return -1, err
		}
		return info.Size, nil
	case err != nil:
		return -1, err
	case h != nil:
		return h.Size, nil
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
	h, err := g.header(filename)
	switch {
	case errors.Is(err, syscall.ENOTSUP):
		info, e := qemuInfo(filename)
		if e != nil {
			return false, err
		}
		return info.Backing != "", nil
	case err != nil || h == nil:
		return false, err
	}
	return h.BackingFile != "", nil
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
