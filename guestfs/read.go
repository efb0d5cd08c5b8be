package guestfs

import (
	"bytes"
	"slices"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// readFile returns a whole file.
func (g *Guestfs) readFile(path string) ([]byte, error) {
	b, err := g.receive(rpc.ProcDownload, &rpc.DownloadArgs{Remotefilename: path})
	if b == nil && err == nil {
		b = []byte{}
	}
	return b, err
}

// cat returns a file up to its first zero byte, where a string of C ends.
func (g *Guestfs) cat(path string) (string, error) {
	b, err := g.readFile(path)
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b), err
}

// readLines returns the lines of a file without their ends, LF or CR LF.
func (g *Guestfs) readLines(path string) ([]string, error) {
	b, err := g.readFile(path)
	if err != nil {
		return nil, err
	}
	lines := []string{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		lines = append(lines, strings.TrimSuffix(line, "\r"))
	}
	return lines, nil
}

// ls returns the names in a directory, sorted.
func (g *Guestfs) ls(directory string) ([]string, error) {
	return g.names(rpc.ProcLs0, &rpc.Ls0Args{Dir: directory})
}

// find returns the paths below a directory, relative to it and sorted.
func (g *Guestfs) find(directory string) ([]string, error) {
	return g.names(rpc.ProcFind0, &rpc.Find0Args{Directory: directory})
}

// names returns what comes as strings that a zero byte ends.
func (g *Guestfs) names(proc uint32, a rpc.Args) ([]string, error) {
	b, err := g.receive(proc, a)
	if err != nil {
		return nil, err
	}
	l := []string{}
	for len(b) > 0 {
		name, rest, _ := bytes.Cut(b, []byte{0})
		l = append(l, string(name))
		b = rest
	}
	slices.Sort(l)
	return l, nil
}
