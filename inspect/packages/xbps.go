package packages

import (
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// xbpsDB is the database of xbps since 0.38, a property list.
const xbpsDB = "var/db/xbps/pkgdb-0.38.plist"

// maxPlist is the largest property list that is read, in bytes.
const maxPlist = 64 << 20

// XBPS lists the packages that xbps-install(1) has installed.
func XBPS(fsys fs.FS) ([]Package, error) {
	f, err := open(fsys, xbpsDB)
	if err != nil {
		return nil, missing("xbps", err)
	}
	defer f.Close()
	l := new(lister)
	if err := l.xbps(io.LimitReader(f, maxPlist)); err != nil {
		return l.list, fmt.Errorf("xbps: %w", err)
	}
	return l.list, nil
}

// xbps reads a dictionary of packages, each of which is a dictionary:
//
//	<dict>
//		<key>bash</key>
//		<dict>
//			<key>pkgver</key>
//			<string>bash-5.2.21_1</string>
//
// Tokens are read raw, without a memory of what is open, so depth costs nothing.
func (l *lister) xbps(r io.Reader) error {
	d := xml.NewDecoder(r)
	d.Strict = false
	depth := 0 // of dictionaries and arrays
	var name, key, text string
	var p Package
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			text = ""
			if t := token.Name.Local; t == "dict" || t == "array" {
				if depth++; depth == 2 {
					p = Package{Name: name}
				}
			}
		case xml.CharData:
			if len(text)+len(token) < maxField {
				text += string(token)
			}
		case xml.EndElement:
			switch t := token.Name.Local; {
			case t == "dict" || t == "array":
				// An alias for packages that are not there has no version.
				if depth == 2 && p.Version != "" && !l.add(p) {
					return ErrTooLarge
				}
				depth--
			case t == "key" && depth == 1:
				name = text
			case t == "key":
				key = text
			case t == "string" && depth == 2:
				p.fromXBPS(key, text)
			}
		}
	}
}

func (p *Package) fromXBPS(key, value string) {
	switch key {
	case "pkgver": // "bash-5.2.21_1"
		_, version, _ := strings.Cut(strings.TrimPrefix(value, p.Name), "-")
		p.Version, p.Release, _ = strings.Cut(version, "_")
	case "architecture":
		p.Arch = value
	case "homepage":
		p.URL = value
	case "maintainer":
		p.Publisher = value
	case "short_desc":
		p.Summary = value
	}
}
