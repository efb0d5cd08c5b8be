package vmlinux

import (
	"io/fs"
	"os"
	"reflect"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// embeddedString returns the content of an embedded file as it lies in the
// program's memory. Package embed only gives copies, so this looks into its
// types, and gives up if they are not what they used to be.
func embeddedString(f fs.File) (data string, ok bool) {
	defer func() {
		if recover() != nil {
			data, ok = "", false
		}
	}()
	v := reflect.ValueOf(f).Elem().FieldByName("f").Elem().FieldByName("data")
	if v.Kind() != reflect.String {
		return "", false
	}
	return v.String(), true
}

// place returns the descriptor of this program's own file, and where in it the
// source is.
func (s *source) place() (fd int, off int64, ok bool) {
	data, ok := embeddedString(s.file)
	if !ok || int64(len(data)) != s.start+s.size {
		return -1, 0, false
	}
	return place(data[s.start:])
}

// place returns where in this program's own file data lies that is part of
// the program, and the file's descriptor.
func place(data string) (fd int, off int64, ok bool) {
	if data == "" {
		return -1, 0, false
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return -1, 0, false
	}
	addr := uint64(uintptr(unsafe.Pointer(unsafe.StringData(data))))
	for line := range strings.Lines(string(maps)) {
		start, end, at, ok := mapping(line)
		if !ok || addr < start || addr+uint64(len(data)) > end {
			continue
		}
		off = int64(at + addr - start)
		if fd, err = unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return -1, 0, false
		}
		if !same(fd, off, data) {
			unix.Close(fd)
			return -1, 0, false
		}
		return fd, off, true
	}
	return -1, 0, false
}

// mapping returns the addresses and the offset in the file from a line of proc_pid_maps(5),
// if it is of memory that is read but not written.
func mapping(line string) (start, end, off uint64, ok bool) {
	from, rest, _ := strings.Cut(line, "-")
	to, rest, _ := strings.Cut(rest, " ")
	perms, rest, _ := strings.Cut(rest, " ")
	at, _, _ := strings.Cut(rest, " ")
	start, err := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	off, err3 := strconv.ParseUint(at, 16, 64)
	return start, end, off, err == nil && err2 == nil && err3 == nil && strings.HasPrefix(perms, "r-")
}

// same reports whether data's ends are what the file has there.
func same(fd int, off int64, data string) bool {
	var b [64]byte
	n := min(len(b), len(data))
	for _, at := range []int{0, len(data) - n} {
		if m, err := unix.Pread(fd, b[:n], off+int64(at)); err != nil || m < n || string(b[:n]) != data[at:at+n] {
			return false
		}
	}
	return true
}
