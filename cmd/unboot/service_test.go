package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/fusefs/service/servicetest"
)

// fuservicemount is to the scripts what libfuse's fuservicemount3 is:
//
//	fuservicemount SOURCE DIR [-o OPTIONS] -t TYPE
//
// It starts the service itself, as systemd would, with the rights of nobody else: USER and others
// are 65534 and 65533. What the service says is in the file service.log, its number in service.pid.
func fuservicemount() {
	status, err := fuservicemounts(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuservicemount:", err)
		status = 1
	}
	os.Exit(status)
}

func fuservicemounts(args []string) (int, error) {
	h := &servicetest.Helper{Args: []string{""}}
	var err error
	for i := 0; i < len(args); i++ {
		if args[i] == "-t" && i+1 < len(args) {
			i++
			h.Args[0] = args[i]
			continue
		}
		h.Args = append(h.Args, args[i])
	}
	if h.UID, err = strconv.Atoi(os.Getenv("FOR_UID")); err != nil {
		return 0, err
	}
	h.GID = h.UID
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	log, err := os.OpenFile("service.log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	// The number of the process stays through both programs.
	argv := []string{"-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, "sh",
		"setpriv", "--reuid", "65533", "--regid", "65533", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs",
		"unboot", "mount", "--service"}
	cmd := exec.Command("sh", argv...)
	cmd.ExtraFiles = []*os.File{os.NewFile(uintptr(pair[1]), "service")}
	cmd.Stderr = log
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	cmd.ExtraFiles[0].Close()
	if err := os.WriteFile("service.pid", []byte(strconv.Itoa(cmd.Process.Pid)), 0o666); err != nil {
		return 0, err
	}
	status, err := h.Serve(pair[0])
	if status == 0 && err == nil {
		return 0, nil // the service goes on
	}
	return status, errors.Join(err, cmd.Wait())
}
