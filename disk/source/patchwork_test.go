package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// withTests returns a registry with a format and a transport more than there are: what
// follows is all that these need.
func withTests() *source.Registry {
	r := source.Known()
	r.Formats = append(r.Formats, source.Format{Name: "patchwork", Match: matchPatchwork, Open: openPatchwork, Stat: statPatchwork, Writable: true})
	r.Transports = append(r.Transports, source.Transport{Schemes: []string{"mem", "memory"}, Open: openMem})
	return r
}

// A patchwork is a text: its first line, the size of the disk, and the files of which it
// consists, one after the other, each with its role and format. It ends with a line "end".
const patchworkMagic = "# patchwork\n"

func patchwork(size int64, lines ...string) string {
	s := patchworkMagic + fmt.Sprintln(size) + strings.Join(append(lines, "end\n"), "\n")
	return s + strings.Repeat(" ", max(0, disk.MinSize-len(s)))
}

func matchPatchwork(head, tail []byte) bool { return bytes.HasPrefix(head, []byte(patchworkMagic)) }

func statPatchwork(d disk.Device) (size int64, refs []disk.Reference, err error) {
	text, err := io.ReadAll(io.NewSectionReader(d, int64(len(patchworkMagic)), min(d.Size(), 1<<20)))
	if err != nil {
		return 0, nil, err
	}
	lines := strings.Split(string(text), "\n")
	if _, err := fmt.Sscan(lines[0], &size); err != nil {
		return 0, nil, err
	}
	for _, line := range lines[1:] {
		if line == "end" {
			return size, refs, nil
		}
		role, rest, _ := strings.Cut(line, ":")
		name, format, _ := strings.Cut(rest, ";")
		refs = append(refs, disk.Reference{Role: role, Name: name, Format: format})
	}
	return 0, nil, errors.New("a patchwork without an end")
}

type patches struct {
	disk.Device
	size  int64
	parts []disk.Device
}

func openPatchwork(d disk.Device, _ string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	size, refs, err := statPatchwork(d)
	if err != nil {
		return nil, err
	}
	p := &patches{d, size, nil}
	for _, ref := range refs {
		ref.Writable = disk.Writable(d)
		part, err := refer(ref)
		if err != nil {
			p.closeParts()
			return nil, err
		}
		p.parts = append(p.parts, part)
	}
	return p, nil
}

func (p *patches) ReadAt(b []byte, off int64) (n int, err error) {
	for _, d := range p.parts {
		if off >= d.Size() {
			off -= d.Size()
			continue
		}
		part := b[n:]
		part = part[:min(int64(len(part)), d.Size()-off)]
		if _, err := d.ReadAt(part, off); err != nil {
			return n, err
		}
		if n, off = n+len(part), 0; n == len(b) {
			return n, nil
		}
	}
	return n, io.EOF
}

func (p *patches) WriteAt([]byte, int64) (int, error) { return 0, syscall.EROFS }
func (p *patches) Size() int64                        { return p.size }
func (p *patches) Close() error                       { p.closeParts(); return p.Device.Close() }

func (p *patches) closeParts() {
	for _, d := range p.parts {
		d.Close()
	}
}

// memory is what the transport of tests reaches, by names.
var memory = map[string]string{}

// opened is how many of it are open.
var opened atomic.Int32

type memDisk struct {
	strings.Reader
	ctx     context.Context
	reading chan struct{} // closed when somebody reads of "slow"
}

var slowRead chan struct{}

func openMem(ctx context.Context, u *url.URL, o disk.Options) (disk.Device, error) {
	data, ok := memory[u.Host]
	if !ok {
		return nil, fmt.Errorf("%s: nothing of that name", u)
	}
	opened.Add(1)
	return &memDisk{Reader: *strings.NewReader(data), ctx: ctx, reading: slowRead}, nil
}

// ReadAt blocks at one place until the life of the disk ends.
func (m *memDisk) ReadAt(p []byte, off int64) (int, error) {
	if m.reading != nil && off == 8192 {
		close(m.reading)
		<-m.ctx.Done()
		return 0, errors.New("the connection was closed")
	}
	return m.Reader.ReadAt(p, off)
}

func (m *memDisk) WriteAt([]byte, int64) (int, error) { return 0, syscall.EROFS }
func (m *memDisk) Flush() error                       { return nil }
func (m *memDisk) Close() error                       { opened.Add(-1); return nil }
