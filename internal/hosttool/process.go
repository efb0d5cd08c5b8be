package hosttool

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// A Process is a tool that runs in a workshop and is talked to through its streams.
type Process struct {
	In  *os.File // what is written here is its standard input
	Out *os.File // what it says on standard output and standard error

	proc *os.Process
	done <-chan struct{}
}

// Start starts a tool in the workshop, with variables added to its environment. c.In, c.Out
// and c.Names mean nothing here. The process has to be closed.
func (w *Workshop) Start(c Command, env ...string) (*Process, error) {
	path, err := Find(c.Name)
	if err != nil {
		return nil, err
	}
	programs := append([]string{path}, c.Runs...)
	argv := withLimits(path, c.Args)
	for _, attr := range w.attributes(c) {
		var p *Process
		if p, err = w.spawn(programs, append(w.env(), env...), attr, argv); err == nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", c.Name, err)
}

func (w *Workshop) spawn(programs, env []string, attr *syscall.SysProcAttr, argv []string) (*Process, error) {
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, err
	}
	defer stdout.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = w.dir, env, attr
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stdout
	started := make(chan error)
	p := &Process{In: in, Out: out}
	p.done = w.onThread(programs, false, func() {
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
	})
	if err := <-started; err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	p.proc = cmd.Process
	return p, nil
}

// Pid returns the process's number on the host.
func (p *Process) Pid() int { return p.proc.Pid }

// Kill ends the process. It does not wait.
func (p *Process) Kill() { p.proc.Kill() }

// Close ends the process and waits until it is gone.
func (p *Process) Close() {
	p.proc.Kill()
	<-p.done
	p.In.Close()
	p.Out.Close()
}
