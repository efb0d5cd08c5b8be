package vmlinux

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A child is given files whose highest number comes just before the image's,
// with its own pipe among the holes below: it must still find the image.
func TestClear(t *testing.T) {
	exe, err := exec.LookPath("true")
	if err != nil {
		t.Skip(err)
	}
	t.Setenv(Variable, exe)
	image, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	// the number before the image's, whatever that is
	below := image.fd - 1
	if _, err := unix.FcntlInt(uintptr(below), unix.F_GETFD, 0); err == nil {
		t.Skipf("descriptor %d is in use", below)
	}
	if err := unix.Dup3(int(null.Fd()), below, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(below)
	files := []uintptr{null.Fd(), uintptr(below), null.Fd(), null.Fd()}
	start := func(i *Image) error {
		pid, err := syscall.ForkExec(i.Path(), []string{"true"}, &syscall.ProcAttr{Files: files})
		if err == nil {
			_, err = syscall.Wait4(pid, nil, 0, nil)
		}
		return err
	}
	if start(image) == nil {
		t.Log("the numbers do not clash here")
	}
	clear, err := image.Clear(files)
	if err != nil {
		t.Fatal(err)
	}
	defer clear.Close()
	if err := start(clear); err != nil {
		t.Error(err)
	}
}
