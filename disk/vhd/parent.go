package vhd

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
	"github.com/unboot/unboot/disk/internal/winpath"
)

// format is the name of the format, which is QEMU's, of a parent as of any image.
const format = "vpc"

// The codes of platforms, of the entries that say where the parent is.
const (
	codeRelative    = "W2ru" // UTF-16, relative to the image
	codeAbsolute    = "W2ku" // UTF-16
	codeMac         = "MacX" // a file: URL in UTF-8
	codeRelativeOld = "Wi2r" // of one byte a character, no longer written
	codeAbsoluteOld = "Wi2k"
)

const maxLocator = 64 << 10 // bytes of a name

// parents returns the names that the image has for its parent, the best first, as [source.Resolve]
// of disk/source understands them. The error is why there are none.
func (h *header) parents(d disk.Device) ([]disk.Reference, error) {
	var relative, absolute []string
	var why error
	add := func(name string) {
		path, err := winpath.Relative(name)
		switch {
		case err != nil && why == nil && name != "":
			why = err
		case err != nil:
		case strings.HasPrefix(path, "/"):
			absolute = append(absolute, path)
		default:
			relative = append(relative, path)
		}
	}
	texts, err := h.locatorTexts(d)
	if err != nil {
		return nil, err
	}
	for _, code := range []string{codeRelative, codeRelativeOld, codeMac, codeAbsolute, codeAbsoluteOld} {
		if text, ok := texts[code]; ok {
			add(text)
		}
	}
	add(winpath.Decode(h.parentName, be))
	var refs []disk.Reference
	for _, name := range append(relative, absolute...) {
		ref := disk.Reference{Role: disk.BackingFile, Name: name, Format: format}
		if !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	if len(refs) == 0 {
		if why == nil {
			why = errors.New("it has no name")
		}
		return nil, fmt.Errorf("the parent cannot be found: %w", why)
	}
	return refs, nil
}

// locatorTexts returns the names by the codes of their platforms.
func (h *header) locatorTexts(d disk.Device) (map[string]string, error) {
	texts := map[string]string{}
	for b := h.locators; len(b) > 0; b = b[locatorSize:] {
		code, size, off := string(b[:4]), be.Uint32(b[8:]), be.Uint64(b[16:])
		if code == "\x00\x00\x00\x00" || size == 0 {
			continue
		}
		if size > maxLocator || off > maxFile {
			return nil, damaged("the name of the parent has %d bytes at %d", size, off)
		}
		text := make([]byte, size)
		if err := readFull(d, text, int64(off), "name of the parent"); err != nil {
			return nil, err
		}
		switch code {
		case codeRelative, codeAbsolute:
			texts[code] = winpath.Decode(text, le)
		case codeRelativeOld, codeAbsoluteOld:
			texts[code] = strings.TrimRight(string(text), "\x00")
		case codeMac:
			if path, ok := macPath(strings.TrimRight(string(text), "\x00")); ok {
				texts[code] = path
			}
		}
	}
	return texts, nil
}

// macPath returns the path of a file: URL. Programs of Xen write one that is relative to the
// image with "." in the place of a host.
func macPath(s string) (string, bool) {
	rest, ok := strings.CutPrefix(s, "file://")
	if !ok {
		return "", false
	}
	if after, ok := strings.CutPrefix(rest, "localhost/"); ok {
		rest = "/" + after
	}
	path, err := url.PathUnescape(rest)
	return path, err == nil && path != ""
}

// openParent opens the parent of a differencing image, and looks whether it is the right one.
func (m *Image) openParent(refer func(disk.Reference) (disk.Device, error)) error {
	refs, err := m.h.parents(m.file)
	if err != nil {
		return err
	}
	if m.parent, err = below.Open(refs, m.path, refer); err != nil {
		return err
	}
	p, ok := disk.As[*Image](m.parent)
	if !ok {
		return fmt.Errorf("%w: it is not a VHD image", ErrParent)
	}
	if p.f.ID != m.h.parentID {
		return fmt.Errorf("%w: it has the UUID %x, not %x", ErrParent, p.f.ID, m.h.parentID)
	}
	return nil
}
