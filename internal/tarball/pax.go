package tarball

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unboot/unboot/internal/acl"
)

// paxSparse is what the records say about holes, formats 0.0 to 1.0.
type paxSparse struct {
	major    string
	realsize int64 // -1 if not said
	data     []Segment
}

// records calls f for each "length key=value\n".
func records(b []byte, f func(key, value string) error) error {
	for len(b) > 0 {
		// Some writers pad with NULs.
		if b[0] == 0 {
			return nil
		}
		sp := bytes.IndexByte(b[:min(len(b), 20)], ' ')
		if sp <= 0 {
			return fmt.Errorf("%w: an extended header without a length", ErrHeader)
		}
		n, err := strconv.ParseUint(string(b[:sp]), 10, 31)
		if err != nil || int(n) > len(b) || int(n) < sp+3 || b[n-1] != '\n' {
			return fmt.Errorf("%w: an extended header with a wrong length", ErrHeader)
		}
		key, value, ok := strings.Cut(string(b[sp+1:n-1]), "=")
		if !ok || key == "" {
			return fmt.Errorf("%w: an extended header without a key", ErrHeader)
		}
		if err := f(key, value); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// parse adds the records of a type x member.
func (x *extras) parse(b []byte) error {
	if x.pax == nil {
		x.pax = map[string]string{}
	}
	return records(b, func(key, value string) error {
		if key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes" {
			x.order = append(x.order, key, value)
			return nil
		}
		x.pax[key] = value
		return nil
	})
}

// addGlobal adds the records of a type g member, which are about all members
// that follow. An empty value takes a record back.
func (r *Reader) addGlobal(b []byte) error {
	if r.global == nil {
		r.global = map[string]string{}
	}
	return records(b, func(key, value string) error {
		if value == "" {
			delete(r.global, key)
			return nil
		}
		if len(r.global) >= 1024 {
			return fmt.Errorf("%w: too many global records", ErrHeader)
		}
		r.global[key] = value
		return nil
	})
}

// apply puts the records into the header. stored is how much of the archive the
// member takes.
func (r *Reader) apply(h *Header, x *extras, stored *int64) (*paxSparse, error) {
	for key, value := range r.global {
		if _, ok := x.pax[key]; !ok {
			if x.pax == nil {
				x.pax = map[string]string{}
			}
			x.pax[key] = value
		}
	}
	if x.pax == nil && x.order == nil {
		return nil, nil
	}
	s := &paxSparse{realsize: -1}
	var p paxFields
	isSparse := false
	var xattrs map[string]string
	set := func(name, value string) {
		if xattrs == nil {
			xattrs = map[string]string{}
		}
		xattrs[name] = value
	}
	for key, value := range x.pax {
		switch key {
		case keyPath:
			if _, ok := x.pax["GNU.sparse.name"]; !ok && value != "" {
				h.Name = value
			}
		case "GNU.sparse.name":
			h.Name = value
		case keyLinkpath:
			h.Linkname = value
		case "size":
			h.Size = p.number(value)
			*stored = h.Size
		case "uid":
			h.UID = p.number(value)
		case "gid":
			h.GID = p.number(value)
		case "uname":
			h.User = value
		case "gname":
			h.Group = value
		case "mtime":
			h.Mtime = p.time(value, h.Mtime)
		case "atime":
			h.Atime = p.time(value, h.Atime)
		case "ctime":
			h.Ctime = p.time(value, h.Ctime)
		case "SCHILY.devmajor":
			h.Major = uint32(p.number(value))
		case "SCHILY.devminor":
			h.Minor = uint32(p.number(value))
		case "GNU.sparse.major":
			s.major, isSparse = value, true
		case "GNU.sparse.minor", "GNU.sparse.numblocks":
			isSparse = true
		case "GNU.sparse.size", "GNU.sparse.realsize", "SCHILY.realsize":
			// The last is star's, with a type of its own, or only
			// says that of any file.
			if key != "SCHILY.realsize" {
				s.realsize, isSparse = p.number(value), true
			}
		case "GNU.sparse.map":
			isSparse = true
			s.data = p.segments(strings.Split(value, ","))
		}
		if name, ok := strings.CutPrefix(key, keyXattr); ok && name != "" {
			set(name, value)
		}
	}
	if len(x.order) > 0 && s.data == nil {
		isSparse = true
		s.data = p.ordered(x.order)
	}
	x.moreXattrs(xattrs, set)
	for _, name := range slices.Sorted(maps.Keys(xattrs)) {
		h.Xattrs = append(h.Xattrs, Xattr{name, xattrs[name]})
	}
	if p.err == nil && h.Size < 0 {
		p.fail("size")
	}
	if !isSparse {
		s = nil
	} else if s.major != "" && s.major != "0" && s.major != "1" {
		p.fail("GNU.sparse.major " + s.major)
	}
	return s, p.err
}

// moreXattrs adds the attributes that an archive has in other forms only.
func (x *extras) moreXattrs(have map[string]string, set func(name, value string)) {
	for key, value := range x.pax {
		if name, ok := strings.CutPrefix(key, keyLibXattr); ok {
			name = unescape(name)
			v, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
			if _, ok := have[name]; !ok && name != "" && err == nil {
				set(name, string(v))
			}
		}
	}
	for _, form := range [2][2]string{{keyACL, acl.Access}, {keyDefACL, acl.Default}} {
		text := x.pax[form[0]]
		if _, ok := have[form[1]]; ok || text == "" {
			continue
		}
		if v, ok := aclValue(text); ok {
			set(form[1], v)
		}
	}
}

// unescape undoes bsdtar's %XX.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(v))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// paxFields reads values and keeps the first error.
type paxFields struct{ err error }

func (p *paxFields) fail(what string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: extended header: %q", ErrHeader, what)
	}
}

func (p *paxFields) number(s string) int64 {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 0 {
		p.fail(s)
		return 0
	}
	return v
}

// time reads seconds with decimals, of which more than nine say nothing to us.
func (p *paxFields) time(s string, old time.Time) time.Time {
	whole, frac, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if whole == "-" || whole == "" {
		sec, err = 0, nil
	}
	if err != nil {
		p.fail(s)
		return old
	}
	var nsec int64
	for i := range 9 {
		nsec *= 10
		if i < len(frac) {
			if frac[i] < '0' || frac[i] > '9' {
				p.fail(s)
				return old
			}
			nsec += int64(frac[i] - '0')
		}
	}
	if strings.HasPrefix(s, "-") {
		nsec = -nsec
	}
	return time.Unix(sec, nsec)
}

// segments reads pairs of numbers.
func (p *paxFields) segments(f []string) []Segment {
	if len(f) == 1 && f[0] == "" {
		return []Segment{}
	}
	if len(f)%2 != 0 || len(f)/2 > maxSegments {
		p.fail("GNU.sparse.map")
		return nil
	}
	data := make([]Segment, 0, len(f)/2)
	for i := 0; i < len(f); i += 2 {
		data = append(data, Segment{p.number(f[i]), p.number(f[i+1])})
	}
	return data
}

// ordered reads format 0.0, where keys alternate.
func (p *paxFields) ordered(f []string) []Segment {
	var values []string
	for i := 0; i < len(f); i += 2 {
		want := "GNU.sparse.offset"
		if i/2%2 == 1 {
			want = "GNU.sparse.numbytes"
		}
		if f[i] != want {
			p.fail(f[i])
			return nil
		}
		values = append(values, f[i+1])
	}
	return p.segments(values)
}
