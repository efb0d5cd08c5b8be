package main

import (
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// jsonFile is a file in --json. Scripts rely on its fields, as docs/schema describes them:
// they may be added to, and not be renamed or removed.
type jsonFile struct {
	Path string `json:"path"`
	// PathBytes is the path in base64, where it is not UTF-8 and Path lossy.
	PathBytes string `json:"path_bytes,omitempty"`
	Type      string `json:"type"`
	Mode      string `json:"mode"` // octal, without the type
	UID       uint32 `json:"uid"`
	GID       uint32 `json:"gid"`
	User      string `json:"user,omitempty"`
	Group     string `json:"group,omitempty"`
	Size      uint64 `json:"size"`
	Blocks    uint64 `json:"blocks"` // of 512 bytes
	Links     uint32 `json:"links"`
	Inode     uint64 `json:"inode"`
	Mtime     string `json:"mtime"` // RFC 3339, UTC
	Atime     string `json:"atime,omitempty"`
	Ctime     string `json:"ctime,omitempty"`
	Btime     string `json:"btime,omitempty"`
	Device    string `json:"device,omitempty"` // "8:1"
	// TargetBytes is to Target as PathBytes is to Path.
	Target      string            `json:"target,omitempty"`
	TargetBytes string            `json:"target_bytes,omitempty"`
	Xattrs      map[string]string `json:"xattrs,omitempty"` // in base64
}

// jsonUnknown is a file in --json that could not be looked at: only its name is known, and
// perhaps its type, which the directory has. It lacks the other fields, since zeros could
// not be distinguished from facts.
type jsonUnknown struct {
	Path      string `json:"path"`
	PathBytes string `json:"path_bytes,omitempty"`
	Type      string `json:"type,omitempty"`
	Error     string `json:"error"`
}

// newJSONUnknown is newJSONFile for a file that could not be looked at.
func newJSONUnknown(path string, mode uint32, err error) *jsonUnknown {
	j := &jsonUnknown{Path: path, PathBytes: notUTF8(path), Error: reason(err).Error()}
	if mode&unix.S_IFMT != 0 {
		j.Type = typeName(mode)
	}
	return j
}

// notUTF8 returns the base64 of a name that is not UTF-8, in which JSON would replace
// bytes, or "".
func notUTF8(s string) string {
	if utf8.ValidString(s) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(s))
}

// newJSONFile returns what stat found.
func newJSONFile(path string, st *unix.Statx_t, link string, names *owners) *jsonFile {
	j := &jsonFile{
		Path: path, PathBytes: notUTF8(path), Type: typeName(uint32(st.Mode)), Mode: octal(uint32(st.Mode) & 0o7777),
		UID: st.Uid, GID: st.Gid, Size: st.Size, Blocks: st.Blocks, Links: st.Nlink, Inode: st.Ino,
		Mtime: rfc3339(st.Mtime), Atime: rfc3339(st.Atime), Ctime: rfc3339(st.Ctime), Target: link, TargetBytes: notUTF8(link),
	}
	// Not every file system has a time of birth.
	if st.Mask&unix.STATX_BTIME != 0 {
		j.Btime = rfc3339(st.Btime)
	}
	if m := st.Mode & unix.S_IFMT; m == unix.S_IFCHR || m == unix.S_IFBLK {
		j.Device = deviceNumber(st, ":")
	}
	if names != nil {
		j.User, j.Group = names.users.names[st.Uid], names.groups.names[st.Gid]
	}
	return j
}

// rfc3339 returns a time in UTC, so that the output does not depend on the host's time zone.
func rfc3339(t unix.StatxTimestamp) string { return stamp(t).UTC().Format(time.RFC3339Nano) }

// jsonList writes a list of objects as they come, each on its own line: a tree of millions
// of files needs no memory, and tools that work on lines can be used.
type jsonList struct {
	a *app
	n int
}

func (l *jsonList) add(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		l.a.fail(err)
		return
	}
	if l.n++; l.n == 1 {
		l.a.out.WriteString("[\n")
	} else {
		l.a.out.WriteString(",\n")
	}
	l.a.out.Write(b)
}

// end completes the list, also after errors: what was printed is then still JSON.
func (l *jsonList) end() {
	if l.n == 0 {
		l.a.out.WriteByte('[')
	}
	l.a.out.WriteString("\n]\n")
}

// printJSON writes one value, indented so that people can read it, too.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
