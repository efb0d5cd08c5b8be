package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

const usageRun = `usage: unboot run [--] COMMAND [ARG...]

Runs a program that uses libguestfs with unboot in the place of qemu:

  unboot run -- guestfish --ro -a disk.img -i cat /etc/fstab

It sets what "unboot env" prints, and the limit of open files to 1024:
libguestfs closes them all one by one each time it starts a program.
`

// runFiles is the limit of open files for a command.
const runFiles = 1024

func runRun(a *app, args []string) error {
	switch {
	case len(args) > 0 && (args[0] == "-h" || args[0] == "--help"):
		return errHelp
	case len(args) > 0 && args[0] == "--":
		args = args[1:]
	case len(args) > 0 && strings.HasPrefix(args[0], "-"):
		return badUsage("no option %s", quote(args[0]))
	}
	if len(args) == 0 {
		return badUsage("no command to run")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	env, err := hvEnv()
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		// Set in any case: the Go runtime has raised it for itself.
		limit.Cur = min(limit.Max, runFiles)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return fmt.Errorf("limit of open files: %w", err)
		}
	}
	return &os.PathError{Op: "exec", Path: path, Err: syscall.Exec(path, args, mergeEnv(os.Environ(), env))}
}

// mergeEnv returns env with the variables of over set.
func mergeEnv(env, over []string) []string {
	set := map[string]bool{}
	for _, v := range over {
		name, _, _ := strings.Cut(v, "=")
		set[name] = true
	}
	var out []string
	for _, v := range env {
		if name, _, _ := strings.Cut(v, "="); !set[name] {
			out = append(out, v)
		}
	}
	return append(out, over...)
}
