package dmg

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/unboot/unboot/disk"
)

const (
	maxPlist = 64 << 20 // bytes
	maxFork  = 64 << 20
	// maxTables is how many tables an image can have.
	maxTables = 1 << 16
)

// rawTables returns the tables of blocks, from wherever the image has them.
func rawTables(d disk.Device, k *koly) ([][]byte, error) {
	switch {
	case k.xmlSize > maxPlist || k.forkSize > maxFork:
		return nil, damage.Errorf("a property list of %d bytes, or a resource fork of %d", k.xmlSize, k.forkSize)
	case k.xmlSize > 0:
		b := make([]byte, k.xmlSize)
		if err := damage.ReadFull(d, b, k.xml, "property list"); err != nil {
			return nil, err
		}
		return parsePlist(b)
	case k.forkSize > 0:
		b := make([]byte, k.forkSize)
		if err := damage.ReadFull(d, b, k.fork, "resource fork"); err != nil {
			return nil, err
		}
		return parseFork(b)
	}
	return nil, damage.Errorf("it has no property list and no resource fork")
}

// parsePlist returns the data of the entries of resource-fork, blkx.
func parsePlist(b []byte) (list [][]byte, err error) {
	x := xml.NewDecoder(bytes.NewReader(b))
	x.Strict = false
	in := false // the array of blkx
	key := ""
	var text strings.Builder
	for {
		token, err := x.RawToken()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, damage.Errorf("the property list at its byte %d: %v", x.InputOffset(), err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			text.Reset()
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			switch name := t.Name.Local; {
			case name == "key":
				key = strings.TrimSpace(text.String())
				in = in || key == "blkx"
			case name == "array" && in:
				return list, nil
			case name == "data" && in && key == "Data":
				data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text.String()), ""))
				if err != nil {
					return nil, damage.Errorf("table %d of the property list: %v", len(list), err)
				}
				if list = append(list, data); len(list) > maxTables {
					return nil, damage.Errorf("more than %d tables", maxTables)
				}
			}
			text.Reset()
		}
	}
}

// parseFork returns the resources of the type blkx. The layout is that of Inside Macintosh.
func parseFork(b []byte) (list [][]byte, err error) {
	// part returns n bytes from at on.
	part := func(at, n uint64) []byte {
		if at > uint64(len(b)) || n > uint64(len(b))-at {
			return nil
		}
		return b[at : at+n]
	}
	bad := damage.Errorf("its resource fork of %d bytes refers to what is not there", len(b))
	header := part(0, 16)
	if header == nil {
		return nil, bad
	}
	data, m := uint64(be.Uint32(header)), uint64(be.Uint32(header[4:]))
	head := part(m, 28)
	if head == nil {
		return nil, bad
	}
	types := m + uint64(be.Uint16(head[24:]))
	count := part(types, 2)
	if count == nil {
		return nil, bad
	}
	for i := range uint64(be.Uint16(count)+1) & 0xffff {
		kind := part(types+2+8*i, 8)
		if kind == nil {
			return nil, bad
		}
		if string(kind[:4]) != "blkx" {
			continue
		}
		refs := types + uint64(be.Uint16(kind[6:]))
		for j := range uint64(be.Uint16(kind[4:])) + 1 {
			ref := part(refs+12*j, 12)
			if ref == nil {
				return nil, bad
			}
			at := data + uint64(be.Uint32(ref[4:])&0xffffff)
			size := part(at, 4)
			if size == nil {
				return nil, bad
			}
			resource := part(at+4, uint64(be.Uint32(size)))
			if resource == nil {
				return nil, bad
			}
			list = append(list, resource)
		}
	}
	return list, nil
}
