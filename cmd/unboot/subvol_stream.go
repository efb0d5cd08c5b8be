package main

import (
	"fmt"
	"io"
	"os"

	"github.com/unboot/unboot"
)

// send writes a stream to standard output, or a file.
func (s *subvolumes) send(a *app, arg string) (err error) {
	if s.file == "" && isTerminal(os.Stdout) {
		return badUsage("will not write a stream to a terminal (-f FILE, or a pipe)")
	}
	o, t, err := a.target(arg, false)
	if err != nil {
		return err
	}
	name, err := o.existing(t)
	if err != nil {
		return o.aboutTarget(t, err)
	}
	opts := unboot.SendOptions{Protocol: s.protocol, Compressed: s.compressed, NoData: s.noData}
	if s.parent != "" {
		if opts.Parent, err = s.inside(a, o, s.parent); err != nil {
			return err
		}
	}
	for _, c := range s.clones {
		p, err := s.inside(a, o, c)
		if err != nil {
			return err
		}
		opts.Clones = append(opts.Clones, p)
	}
	out := os.Stdout
	if s.file != "" {
		if st, err := os.Stat(s.file); err == nil && a.isDisk(st) {
			return fmt.Errorf("%s: is a disk of the image", quote(s.file))
		}
		if out, err = os.Create(s.file); err != nil {
			return err
		}
		defer func() {
			if cerr := out.Close(); err == nil {
				err = cerr
			}
		}()
	}
	p := a.startProgress(0, false)
	return o.about(name, notBtrfs(o.fs.SendSubvolume(io.MultiWriter(out, counter{p}), name, opts)))
}

// inside returns the path of another subvolume of the image: it may have the image before
// it, or not.
func (s *subvolumes) inside(a *app, o *opened, arg string) (string, error) {
	if t, ok := existingTarget(arg); ok && t.path != "" {
		if o2, err := a.open(t.image, false); err != nil || o2 != o {
			return "", badUsage("%s is in another image", quote(arg))
		}
		return t.clean(), nil
	}
	return unboot.CleanPath(arg), nil
}

// receive reads streams from standard input, or a file.
func (s *subvolumes) receive(a *app, arg string) error {
	in, size := io.Reader(nil), int64(0)
	switch {
	case s.file != "":
		f, err := os.Open(s.file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
		if st, err := f.Stat(); err == nil {
			size = st.Size()
		}
	case isTerminal(os.Stdin):
		return badUsage("will not read a stream from a terminal (-f FILE, or a pipe)")
	default:
		in = a.stdin()
	}
	o, t, err := a.target(arg, true)
	if err != nil {
		return err
	}
	dir, err := o.existing(t)
	if err != nil {
		return o.aboutTarget(t, err)
	}
	p := a.startProgress(size, false)
	_, err = o.fs.ReceiveSubvolumes(io.TeeReader(in, counter{p}), dir, unboot.ReceiveOptions{OneStream: s.oneStream})
	return o.about(dir, notBtrfs(err))
}
