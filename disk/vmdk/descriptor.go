package vmdk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/winpath"
)

const (
	sectorSize = 512
	// maxDescriptor bounds what is read as a descriptor, in bytes. One of some thousand
	// extents has less.
	maxDescriptor = 1 << 20
	// maxExtents is how many extents an image can have: those of 4 TiB in files of 2 GB.
	maxExtents = 2048
	// noParent is the CID of the parent of an image that has none.
	noParent = math.MaxUint32
)

// A descriptor is the text that says what an image consists of.
type descriptor struct {
	at         int64 // where it begins in the file
	text       []byte
	cid        uint32
	cidAt      int // where the hexadecimal digits of the CID are in text
	cidDigits  int
	parentCID  uint32
	parentName string
	createType string
	extents    []extentLine
}

// An extentLine is a line about an extent.
type extentLine struct {
	access  string // RW, RDONLY, NOACCESS
	sectors int64
	kind    string // FLAT, SPARSE, …
	name    string
	offset  int64 // in sectors, of what is flat
}

// isDescriptor reports whether a file that begins with head is a descriptor, as QEMU finds
// out: comments, and then a line with a version. A first line as VMware writes it is enough.
func isDescriptor(head []byte) bool {
	if bytes.HasPrefix(head, []byte("# Disk DescriptorFile")) {
		return true
	}
	for line := range bytes.Lines(head) {
		whole := bytes.HasSuffix(line, []byte("\n"))
		switch line = bytes.TrimSpace(line); {
		case !whole:
			return false
		case len(line) == 0, line[0] == '#':
		default:
			v, ok := bytes.CutPrefix(line, []byte("version="))
			return ok && len(v) == 1 && v[0] >= '1' && v[0] <= '4'
		}
	}
	return false
}

// readDescriptor reads the descriptor that begins at off and has up to size bytes.
func readDescriptor(r io.ReaderAt, off, size int64) (*descriptor, error) {
	b := make([]byte, min(size, maxDescriptor))
	n, err := r.ReadAt(b, off)
	if n < len(b) && err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	// The room that it was given is filled up with zeros.
	b, _, _ = bytes.Cut(b[:n], []byte{0})
	return parseDescriptor(b, off)
}

func parseDescriptor(text []byte, at int64) (*descriptor, error) {
	d := &descriptor{at: at, text: text, parentCID: noParent, cidAt: -1}
	pos := 0
	for line := range bytes.Lines(text) {
		start := pos
		pos += len(line)
		s := strings.TrimSpace(string(line))
		if s == "" || s[0] == '#' {
			continue
		}
		switch access, _, _ := strings.Cut(s, " "); access {
		case "RW", "RDONLY", "NOACCESS":
			e, err := parseExtent(s)
			if err != nil {
				return nil, err
			}
			if d.extents = append(d.extents, e); len(d.extents) > maxExtents {
				return nil, damaged("more than %d extents", maxExtents)
			}
			continue
		}
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		var err error
		switch key := strings.TrimSpace(key); {
		case strings.EqualFold(key, "CID"):
			if d.cid, err = parseCID(key, value); err == nil {
				d.cidAt, d.cidDigits = start+bytes.Index(line, []byte(value)), len(value)
			}
		case strings.EqualFold(key, "parentCID"):
			d.parentCID, err = parseCID(key, value)
		case strings.EqualFold(key, "parentFileNameHint"):
			d.parentName = strings.Trim(value, `"`)
		case strings.EqualFold(key, "createType"):
			d.createType = strings.Trim(value, `"`)
		}
		if err != nil {
			return nil, err
		}
	}
	if d.cidAt < 0 {
		return nil, damaged("the descriptor has no CID")
	}
	return d, nil
}

func parseCID(key, value string) (uint32, error) {
	cid, err := strconv.ParseUint(value, 16, 32)
	if err != nil {
		return 0, damaged("the descriptor's %s is %q", key, value)
	}
	return uint32(cid), nil
}

// parseExtent parses a line such as
//
//	RW 4192256 SPARSE "disk-s001.vmdk"
//	RW 63 FLAT "disk-flat.vmdk" 0
//	RW 63 ZERO
func parseExtent(line string) (e extentLine, err error) {
	before, rest, _ := strings.Cut(line, `"`)
	f := strings.Fields(before)
	if len(f) != 3 {
		return e, damaged("the line of an extent is %.200q", line)
	}
	e.access, e.kind = f[0], f[2]
	e.sectors, err = strconv.ParseInt(f[1], 10, 64)
	if err != nil || e.sectors < 0 || e.sectors > math.MaxInt64/sectorSize {
		return e, damaged("the size of an extent is %.30q sectors", f[1])
	}
	if e.kind == "ZERO" {
		return e, nil
	}
	name, after, ok := strings.Cut(rest, `"`)
	if !ok || name == "" {
		return e, damaged("an extent has no name: %.200q", line)
	}
	e.name = name
	if f := strings.Fields(after); len(f) > 0 {
		e.offset, err = strconv.ParseInt(f[0], 10, 64)
		if err != nil || e.offset < 0 || e.offset > math.MaxInt64/sectorSize {
			return e, damaged("an extent begins at sector %.30q of its file", f[0])
		}
	}
	return e, nil
}

// size returns the size of the disk in bytes, which the extents are.
func (d *descriptor) size() (int64, error) {
	var sectors int64
	for _, e := range d.extents {
		if sectors += e.sectors; sectors > math.MaxInt64/sectorSize {
			return 0, damaged("the extents have more than %d bytes", int64(math.MaxInt64))
		}
	}
	if len(d.extents) == 0 {
		return 0, damaged("the descriptor names no extents")
	}
	return sectors * sectorSize, nil
}

// hasParent reports whether the image is one of changes to another one.
func (d *descriptor) hasParent() bool { return d.parentCID != noParent }

// references returns the files that the descriptor names, of an image whose extents are
// in other files if it is not embedded in one.
func (d *descriptor) references(embedded bool) (refs []disk.Reference) {
	if !embedded {
		for _, e := range d.extents {
			if e.kind != "ZERO" {
				refs = append(refs, e.reference())
			}
		}
	}
	if d.hasParent() {
		refs = append(refs, d.parentReference())
	}
	return refs
}

func (e *extentLine) reference() disk.Reference {
	return disk.Reference{Role: disk.DataFile, Name: unixName(e.name), Format: "raw", Writable: e.access == "RW"}
}

func (d *descriptor) parentReference() disk.Reference {
	return disk.Reference{Role: disk.BackingFile, Name: unixName(d.parentName), Format: "vmdk"}
}

// unixName returns a name with the separators of this host, if it is a relative one of
// Windows.
func unixName(name string) string {
	if strings.Contains(name, `\`) && !strings.Contains(name, "/") {
		if relative, err := winpath.Relative(name); err == nil {
			return relative
		}
	}
	return name // an absolute one is refused by whoever opens it
}

// newCID returns the bytes of the text that a new CID takes the place of, in as many
// digits, so that the text keeps its length and its sector changes at once.
func (d *descriptor) setCID(random uint32) []byte {
	digits := fmt.Sprintf("%08x", random)[8-min(d.cidDigits, 8):]
	if digits[0] == '0' || strings.Trim(digits, "f") == "" {
		digits = "1" + digits[1:]
	}
	digits = strings.Repeat("0", d.cidDigits-len(digits)) + digits
	cid, _ := strconv.ParseUint(digits, 16, 32)
	d.cid = uint32(cid)
	return []byte(digits)
}
