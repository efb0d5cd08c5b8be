package server

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/acl"
	"github.com/unboot/unboot/internal/lsfmt"
)

// Ll lists a directory as "ls -la" does, with numbers in place of the owners' names, for
// those of the guest are not known.
func (s *Server) Ll(ctx context.Context, a *rpc.LlArgs) (string, error) {
	return s.longList(a.Directory, false)
}

// Llz is Ll with SELinux contexts, as "ls -laZ".
func (s *Server) Llz(ctx context.Context, a *rpc.LlzArgs) (string, error) {
	return s.longList(a.Directory, true)
}

// row is a line of a list.
type row struct {
	name, target string
	st           unix.Statx_t
	acl          bool // has an access control list
	context      string
	err          error
}

func (s *Server) longList(p string, contexts bool) (string, error) {
	st, err := s.stat(p)
	if err != nil {
		if st, err = s.lstat(p); err != nil {
			return "", perror(err, "%s", p)
		}
	}
	if fileType(&st) != unix.S_IFDIR {
		r := row{name: p}
		s.fillRow(&r, p, contexts)
		return formatRows([]row{r}, contexts), nil
	}
	names, err := s.names(p)
	if err != nil {
		return "", perror(err, "%s", p)
	}
	rows := make([]row, 0, len(names)+2)
	for _, name := range append([]string{".", ".."}, names...) {
		rows = append(rows, row{name: name})
		s.fillRow(&rows[len(rows)-1], p+"/"+name, contexts)
	}
	var blocks uint64
	for i := range rows {
		blocks += rows[i].st.Blocks
	}
	return fmt.Sprintf("total %d\n", (blocks+1)/2) + formatRows(rows, contexts), nil
}

func (s *Server) fillRow(r *row, p string, contexts bool) {
	v := s.view()
	if r.st, r.err = s.lstat(p); r.err != nil {
		return
	}
	if fileType(&r.st) == unix.S_IFLNK {
		r.target, _ = v.Readlink(cwd, p)
	} else if attrs, err := listXattrs(v.Listxattr, p); err == nil {
		for _, a := range attrs {
			r.acl = r.acl || a == acl.Access || a == acl.Default
		}
	}
	if contexts {
		r.context = "?"
		if value, err := getXattr(v.Lgetxattr, p, selinuxAttr); err == nil {
			r.context = strings.TrimRight(string(value), "\x00")
		}
	}
}

// selinuxAttr is the attribute with the SELinux context.
const selinuxAttr = "security.selinux"

// formatRows aligns columns as ls(1) does.
func formatRows(rows []row, contexts bool) string {
	const columns = 6
	var cells [][columns]string
	var width [columns]int
	anyACL := false
	now := time.Now()
	for i := range rows {
		r := &rows[i]
		anyACL = anyACL || r.acl
		cells = append(cells, r.cells(now))
		for c, text := range cells[i] {
			width[c] = max(width[c], len(text))
		}
	}
	var b strings.Builder
	for i := range rows {
		r, c := &rows[i], &cells[i]
		b.WriteString(c[0])
		switch {
		case r.acl:
			b.WriteByte('+')
		case anyACL:
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, " %*s %*s %*s ", width[1], c[1], width[2], c[2], width[3], c[3])
		if contexts {
			b.WriteString(r.context + " ")
		}
		fmt.Fprintf(&b, "%*s %s %s", width[4], c[4], c[5], r.name)
		if r.target != "" {
			b.WriteString(" -> " + r.target)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// cells returns mode, links, owner, group, size and time.
func (r *row) cells(now time.Time) [6]string {
	if r.err != nil {
		return [6]string{"??????????", "?", "?", "?", "?", "           ?"}
	}
	st := &r.st
	size := strconv.FormatUint(st.Size, 10)
	if t := fileType(st); t == unix.S_IFCHR || t == unix.S_IFBLK {
		size = fmt.Sprintf("%d, %d", st.Rdev_major, st.Rdev_minor)
	}
	return [6]string{
		string(lsfmt.AppendMode(nil, uint32(st.Mode))), strconv.Itoa(int(st.Nlink)),
		strconv.FormatUint(uint64(st.Uid), 10), strconv.FormatUint(uint64(st.Gid), 10),
		size, lsfmt.Time(time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec)).UTC(), now),
	}
}
