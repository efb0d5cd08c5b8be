package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/unboot/unboot/guestfs/hv"
)

var runCommand = command{
	name:     "run",
	short:    "run a program that uses libguestfs on unboot",
	synopsis: []string{"[--] COMMAND [ARG...]"},
	brief:    "-- COMMAND [ARG...]",
	long: `Runs a program that uses libguestfs, with unboot instead of qemu:

  unboot run -- guestfish --ro -a disk.img -i cat /etc/fstab

It sets what "unboot env" prints, and limits open files to 1024: libguestfs closes
them all one by one each time it starts a program. If a launch fails, it prints the
reason, which libguestfs does not. It ends with the exit status of the program.
`,
	args:    []kind{kindProgram, kindHost},
	options: noOptions(runRun),
	parse:   parseRun,
}

// parseRun accepts no options but -h: those after the first word belong to the program,
// and must not be reordered or taken for ours.
func parseRun(_ *flagSet, args []string) ([]string, error) {
	switch {
	case len(args) > 0 && (args[0] == "-h" || args[0] == "--help"):
		return nil, errHelp
	case len(args) > 0 && args[0] == "--":
		args = args[1:]
	case len(args) > 0 && strings.HasPrefix(args[0], "-"):
		return nil, badUsage("no option %s", quote(args[0]))
	}
	return args, nil
}

// runFiles is the limit of open files for a command, which libguestfs closes one by one in
// each child. It is the usual soft limit, which programs can live with.
const runFiles = 1024

func runRun(a *app, args []string) error {
	if len(args) == 0 {
		return badUsage("no command to run")
	}
	// Before anything is set up, so that the error of a typing mistake is the first.
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
		// Set in any case: the Go runtime has raised its soft limit to the hard one, and
		// the program would inherit that.
		limit.Cur = min(limit.Max, runFiles)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return fmt.Errorf("limit of open files: %w", err)
		}
	}
	return runProgram(a, path, args, mergeEnv(os.Environ(), env))
}

// runProgram runs a program as if this process had become it, and ends with its status.
// It does not call execve(2), since it has to stay to print what goes wrong in the machines
// of the program: libguestfs does not.
func runProgram(a *app, path string, args, env []string) error {
	reports, err := hv.Listen(func(line string) { a.warn(errors.New(line)) })
	if err != nil {
		return err
	}
	cmd := &exec.Cmd{
		Path: path, Args: args, Env: mergeEnv(env, []string{reports.Variable()}),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM},
	}
	// The signal of Pdeathsig comes when the thread that started the program ends, which
	// the Go runtime could let happen before the process ends.
	runtime.LockOSThread()
	// newApp has signals end this command: from now on they are for the program.
	a.handOverSignals()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	if err := cmd.Start(); err != nil {
		return err
	}
	go passOn(signals, cmd.Process)
	err = cmd.Wait()
	reports.Close()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	end(cmd.ProcessState.Sys().(syscall.WaitStatus))
	return nil
}

// passOn forwards signals to a process. With a terminal, it does not forward those of keys:
// the terminal sends them to the whole foreground process group, and the program would get
// them twice.
func passOn(signals <-chan os.Signal, p *os.Process) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|syscall.O_NOCTTY, 0)
	if err == nil {
		tty.Close()
	}
	for s := range signals {
		if key := s == os.Interrupt || s == syscall.SIGQUIT; !key || err != nil {
			p.Signal(s) // an error means that it has ended
		}
	}
}

// end ends this process as another one has ended: by the same signal, so that a shell sees
// no difference, or else with the same status.
func end(status syscall.WaitStatus) {
	if status.Signaled() {
		signal.Reset(status.Signal())
		syscall.Kill(os.Getpid(), status.Signal())
		// If the signal is blocked or ignored, the status is the one that a shell
		// would show.
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(status.ExitStatus())
}

// mergeEnv returns env with the variables of over set. An older value is removed, since
// programs differ in which of two they use.
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
