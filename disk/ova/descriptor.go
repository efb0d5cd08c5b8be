package ova

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

const maxDescriptor = 4 << 20 // bytes

// envelope is what is read of a descriptor.
type envelope struct {
	Files []struct {
		ID          string `xml:"id,attr"`
		Href        string `xml:"href,attr"`
		Compression string `xml:"compression,attr"`
		Chunk       string `xml:"chunkSize,attr"`
	} `xml:"References>File"`
	Disks []struct {
		FileRef string `xml:"fileRef,attr"`
	} `xml:"DiskSection>Disk"`
}

// isDescriptor reports whether a file that begins with head is a descriptor.
func isDescriptor(head []byte) bool {
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	return bytes.HasPrefix(head, []byte("<")) && bytes.Contains(head, []byte("Envelope")) &&
		bytes.Contains(head, []byte("http://schemas.dmtf.org/ovf/envelope/"))
}

// parseDescriptor returns the names of the files with the disks.
func parseDescriptor(b []byte) (names []string, err error) {
	var e envelope
	x := xml.NewDecoder(bytes.NewReader(b))
	if err := x.Decode(&e); err != nil {
		return nil, damage.Errorf("the descriptor: %v", err)
	}
	for _, d := range e.Disks {
		for _, f := range e.Files {
			switch {
			case d.FileRef == "" || f.ID != d.FileRef:
				continue
			case f.Href == "" || strings.Contains(f.Href, "://"):
				return nil, damage.Errorf("a disk is at %q", f.Href)
			case f.Compression != "" && f.Compression != "identity" || f.Chunk != "":
				return nil, fmt.Errorf("the disk %q is compressed (%q), or in chunks, which is not read here: unpack it first", f.Href, f.Compression)
			}
			names = append(names, f.Href)
			break
		}
	}
	return names, nil
}
