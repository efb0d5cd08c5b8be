package hv

import (
	"fmt"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/server"
)

// drive is a drive and its name on the command line.
type drive struct {
	server.Drive
	id string
}

// protocols are what a name of an image can begin with that is not a file.
var protocols = []string{"nbd", "ssh", "http", "https", "ftp", "ftps", "iscsi", "rbd", "gluster", "sheepdog", "tftp"}

// parseDrive reads the value of -drive. The name of the image is in the key file, or, if
// libguestfs turns off locks, in one for each layer.
func parseDrive(value string) (*drive, error) {
	_, o := parseOptions(value)
	d := &drive{id: o["id"]}
	name := ""
	for _, key := range []string{"file", "file.file.filename", "file.filename", "filename"} {
		if name = o[key]; name != "" {
			break
		}
	}
	if name == "" {
		return nil, fmt.Errorf("-drive %s: no image in it that unboot can open", value)
	}
	d.Format = o["format"]
	if d.Format == "" {
		// "file" is the driver of files, and says nothing of a format.
		for _, key := range []string{"driver", "file.driver"} {
			if f := o[key]; f != "" && f != "file" && f != "host_device" {
				d.Format = f
				break
			}
		}
	}
	d.ReadOnly = o["snapshot"] == "on" || o["readonly"] == "on" || o["read-only"] == "on"
	d.Unsafe = o["cache"] == "unsafe"
	d.Discard = o["discard"] == "unmap" || o["discard"] == "on"
	d.CopyOnRead = o["copy-on-read"] == "on"
	d.Path, d.Protocol = splitProtocol(name)
	if d.Protocol != "" {
		d.URL = name
	}
	return d, nil
}

// splitProtocol returns the path and the protocol of an image's name. The library makes
// the names of files absolute, so that they do not begin like a protocol.
func splitProtocol(name string) (path, protocol string) {
	for _, p := range protocols {
		rest, ok := strings.CutPrefix(name, p)
		if !ok {
			continue
		}
		switch {
		case strings.HasPrefix(rest, "://"), strings.HasPrefix(rest, "+"):
			_, rest, _ = strings.Cut(rest, "://")
			if i := strings.IndexByte(rest, '/'); i >= 0 {
				return rest[i:], p
			}
			return "", p
		case strings.HasPrefix(rest, ":"):
			if _, export, ok := strings.Cut(rest, ":exportname="); ok {
				return export, p
			}
			if p == "rbd" {
				path, _, _ := strings.Cut(rest[1:], ":")
				return path, p
			}
			return "", p
		}
	}
	return strings.TrimPrefix(name, "file:"), ""
}
