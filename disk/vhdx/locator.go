package vhdx

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
	"github.com/unboot/unboot/disk/internal/winpath"
)

// format is the name of the format, of a parent as of any image.
const format = "vhdx"

const (
	locatorHeader = 20
	locatorEntry  = 12
	maxName       = 32 << 10 // bytes of a name that is written

	keyLinkage  = "parent_linkage"
	keyLinkage2 = "parent_linkage2"
	keyRelative = "relative_path"
	keyVolume   = "volume_path"
	keyAbsolute = "absolute_win32_path"
)

// locator returns the keys and values of the parent locator.
func (m *metadata) locator() (map[string]string, error) {
	b := m.parent
	if id := GUID(b[:16]); id != parentVHDX {
		return nil, fmt.Errorf("%w: a parent of the type %v", ErrFeature, id)
	}
	n := int(le.Uint16(b[18:]))
	if locatorHeader+n*locatorEntry > len(b) {
		return nil, damaged("a parent locator of %d entries in %d bytes", n, len(b))
	}
	text := func(off uint32, size uint16) (string, error) {
		if int64(off)+int64(size) > int64(len(b)) {
			return "", damaged("the parent locator has a text of %d bytes at %d of %d", size, off, len(b))
		}
		return winpath.Decode(b[off:][:size], le), nil
	}
	texts := map[string]string{}
	for e := b[locatorHeader:][:n*locatorEntry]; len(e) > 0; e = e[locatorEntry:] {
		key, err := text(le.Uint32(e), le.Uint16(e[8:]))
		if err != nil {
			return nil, err
		}
		if texts[key], err = text(le.Uint32(e[4:]), le.Uint16(e[10:])); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// parents returns the names of the parent, the best first, as package source of disk
// understands them. The error is why there are none.
func parents(texts map[string]string) ([]disk.Reference, error) {
	var refs []disk.Reference
	var why error
	for _, key := range []string{keyRelative, keyVolume, keyAbsolute} {
		path, ok := texts[key]
		if !ok {
			continue
		}
		name, err := winpath.Relative(path)
		if err != nil {
			if why == nil {
				why = err
			}
			continue
		}
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

// openParent opens the parent of a differencing image, and looks whether it is the right one,
// and has not changed.
func (m *Image) openParent(refer func(disk.Reference) (disk.Device, error)) error {
	texts, err := m.meta.locator()
	if err != nil {
		return err
	}
	refs, err := parents(texts)
	if err != nil {
		return err
	}
	if m.parent, err = below.Open(refs, m.path, refer); err != nil {
		return err
	}
	p, ok := disk.As[*Image](m.parent)
	if !ok {
		return fmt.Errorf("%w: it is not a VHDX image", ErrParent)
	}
	if p.meta.sector != m.meta.sector {
		return fmt.Errorf("%w: it has sectors of %d bytes, not %d", ErrParent, p.meta.sector, m.meta.sector)
	}
	got := p.header.dataWrite.String()
	for _, key := range []string{keyLinkage, keyLinkage2} {
		if strings.EqualFold(strings.Trim(texts[key], "{}"), got) {
			return nil
		}
	}
	return fmt.Errorf("%w: its DataWriteGuid is {%s}, not %s (was it written to?)", ErrParent, got, texts[keyLinkage])
}

// newLocator returns a parent locator for a parent that is at a path, and whose content has a
// GUID.
func newLocator(path string, linkage GUID) ([]byte, error) {
	name, err := winpath.Of(path)
	if err != nil {
		return nil, err
	}
	key := keyRelative
	if strings.HasPrefix(name, "/") {
		key = keyAbsolute
	}
	texts := []string{keyLinkage, "{" + linkage.String() + "}", key, name}
	if 2*len(name) > maxName {
		return nil, fmt.Errorf("the name of the parent has %d bytes, which are too many", len(name))
	}
	b := append(parentVHDX[:len(parentVHDX):len(parentVHDX)], 0, 0, byte(len(texts)/2), 0)
	off := uint32(len(b) + len(texts)/2*locatorEntry)
	var data []byte
	for i := 0; i < len(texts); i += 2 {
		k, v := winpath.Encode(texts[i], le), winpath.Encode(texts[i+1], le)
		at := off + uint32(len(data))
		b = le.AppendUint32(le.AppendUint32(b, at), at+uint32(len(k)))
		b = le.AppendUint16(le.AppendUint16(b, uint16(len(k))), uint16(len(v)))
		data = append(append(data, k...), v...)
	}
	return append(b, data...), nil
}
