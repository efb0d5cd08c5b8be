package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// DownloadInode sends the content of a file by its inode, also of one that was removed.
func (s *Server) DownloadInode(ctx context.Context, a *rpc.DownloadInodeArgs, out io.Writer) error {
	if a.Inode < 0 {
		return errorf("inode must be >= 0")
	}
	_, _, err := s.runProgram(ctx, program{name: "icat", args: []string{"-r", a.Device, fmt.Sprint(a.Inode)}, out: out})
	return ofDeviceText(err, a.Device)
}

// DownloadBlocks sends blocks of a file system, all of them or those that are not in use.
func (s *Server) DownloadBlocks(ctx context.Context, a *rpc.DownloadBlocksArgs, out io.Writer) error {
	if a.Start < 0 || a.Stop < a.Start {
		return errorf("start and stop must be >= 0, and in this order")
	}
	which := "-e"
	if a.Unallocated.Or(false) {
		which = "-A"
	}
	_, _, err := s.runProgram(ctx, program{
		name: "blkls", args: []string{which, a.Device, fmt.Sprintf("%d-%d", a.Start, a.Stop)}, out: out,
	})
	return ofDeviceText(err, a.Device)
}

// InternalFilesystemWalk sends what is and was in the directories of a file system.
func (s *Server) InternalFilesystemWalk(ctx context.Context, a *rpc.InternalFilesystemWalkArgs, out io.Writer) error {
	return s.walkTSK(ctx, a.Device, out, func(*rpc.TskDirent) bool { return true })
}

// InternalFindInode sends those entries that have an inode.
func (s *Server) InternalFindInode(ctx context.Context, a *rpc.InternalFindInodeArgs, out io.Writer) error {
	return s.walkTSK(ctx, a.Device, out, func(d *rpc.TskDirent) bool { return int64(d.TskInode) == a.Inode })
}

// walkTSK sends those entries of a file system's directories that want says yes to, as fls(1)
// finds them.
func (s *Server) walkTSK(ctx context.Context, device string, out io.Writer, want func(*rpc.TskDirent) bool) error {
	pr, pw := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := sendEntries(pr, out, want)
		pr.CloseWithError(err) // fls ends when it writes
		sent <- err
	}()
	_, _, err := s.runProgram(ctx, program{name: "fls", args: []string{"-r", "-p", "-m", "", device}, out: pw})
	pw.Close()
	if sendErr := <-sent; sendErr != nil && !errors.Is(sendErr, io.EOF) {
		return sendErr
	}
	return ofDeviceText(err, device)
}

// maxEntry bounds a line of fls(1), in bytes.
const maxEntry = 1 << 20

func sendEntries(r io.Reader, out io.Writer, want func(*rpc.TskDirent) bool) error {
	w := bufio.NewWriterSize(out, 64<<10)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEntry)
	for lines.Scan() {
		d, ok := parseEntry(lines.Bytes())
		if !ok || !want(d) {
			continue
		}
		c := xdr.NewEncoder(nil)
		d.Code(c)
		b, err := c.Result()
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return w.Flush()
}

// The flags of an entry.
const (
	tskAllocated = 1 << iota
	tskReallocated
)

// parseEntry reads a line of fls(1) as mactime(1) takes it. Names may have the character that
// separates fields. How many links a file has is not in it.
func parseEntry(line []byte) (*rpc.TskDirent, bool) {
	_, rest, ok := bytes.Cut(line, []byte("|")) // a checksum that is not computed
	fields := strings.Split(string(rest), "|")
	const after = 9 // fields behind the name
	if !ok || len(fields) < after+1 {
		return nil, false
	}
	name := strings.Join(fields[:len(fields)-after], "|")
	fields = fields[len(fields)-after:]
	inode, _, _ := strings.Cut(fields[0], "-") // with a type and number of the attribute, on NTFS
	d := &rpc.TskDirent{TskFlags: tskAllocated, TskNlink: -1}
	var err error
	if d.TskInode, err = strconv.ParseUint(inode, 10, 64); err != nil {
		return nil, false
	}
	if d.TskType = 'u'; fields[1] != "" && strings.IndexByte("rdlcbfsh", fields[1][0]) >= 0 {
		d.TskType = fields[1][0]
		if d.TskType == 'p' {
			d.TskType = 'f'
		}
	}
	for i, to := range []*int64{4: &d.TskSize, 5: &d.TskAtimeSec, 6: &d.TskMtimeSec, 7: &d.TskCtimeSec, 8: &d.TskCrtimeSec} {
		if to != nil {
			*to, _ = strconv.ParseInt(fields[i], 10, 64)
		}
	}
	switch {
	case strings.HasSuffix(name, " (deleted-realloc)"):
		name, d.TskFlags = strings.TrimSuffix(name, " (deleted-realloc)"), tskReallocated
	case strings.HasSuffix(name, " (deleted)"):
		name, d.TskFlags = strings.TrimSuffix(name, " (deleted)"), 0
	}
	if d.TskType == 'l' {
		if at := strings.Index(name, " -> "); at >= 0 {
			name, d.TskLink = name[:at], name[at+len(" -> "):]
		}
	}
	d.TskName = strings.TrimPrefix(name, "/")
	return d, d.TskName != ""
}
