package vmlinux

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"reflect"
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

// place returns where in this program's own file data lies that is part of
// the program, and the file. Copying from the file within the kernel saves
// the page faults of reading the memory.
func place(data string) (exe *os.File, off int64, ok bool) {
	if data == "" {
		return nil, 0, false
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, 0, false
	}
	defer maps.Close()
	addr := uint64(uintptr(unsafe.Pointer(unsafe.StringData(data))))
	for s := bufio.NewScanner(maps); s.Scan(); {
		var start, end, at uint64
		var perms string
		if _, err := fmt.Sscanf(s.Text(), "%x-%x %s %x", &start, &end, &perms, &at); err != nil {
			continue
		}
		if addr < start || addr+uint64(len(data)) > end || !strings.HasPrefix(perms, "r-") {
			continue
		}
		off = int64(at + addr - start)
		if exe, err = os.Open("/proc/self/exe"); err != nil {
			return nil, 0, false
		}
		if !same(exe, off, data) {
			exe.Close()
			return nil, 0, false
		}
		return exe, off, true
	}
	return nil, 0, false
}

// same reports whether data's ends are what the file has there.
func same(f *os.File, off int64, data string) bool {
	var b [64]byte
	n := min(len(b), len(data))
	for _, at := range []int{0, len(data) - n} {
		if _, err := f.ReadAt(b[:n], off+int64(at)); err != nil || string(b[:n]) != data[at:at+n] {
			return false
		}
	}
	return true
}

// sendfile copies n bytes at off of a file to the begin of another.
func sendfile(to int, from *os.File, off, n int64) error {
	conn, err := from.SyscallConn()
	if err != nil {
		return err
	}
	if _, err := unix.Seek(to, 0, 0); err != nil {
		return err
	}
	cerr := conn.Control(func(fd uintptr) {
		for n > 0 && err == nil {
			var m int
			if m, err = unix.Sendfile(to, int(fd), &off, int(n)); m == 0 && err == nil {
				err = unix.EIO
			}
			n -= int64(max(m, 0))
		}
	})
	if cerr != nil {
		return cerr
	}
	return err
}
