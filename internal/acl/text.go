package acl

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// String returns an entry as in "user:1000:r--".
func (e Entry) String() string {
	id := ""
	if e.Tag == User || e.Tag == Group {
		id = strconv.FormatUint(uint64(e.ID), 10)
	}
	perm := []byte("rwx")
	for i := range perm {
		if e.Perm&(4>>i) == 0 {
			perm[i] = '-'
		}
	}
	return e.name() + ":" + id + ":" + string(perm)
}

// String returns the long text form of acl(5): a line for each entry.
func (l List) String() string {
	var b strings.Builder
	for _, e := range l {
		b.WriteString(e.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Short returns the short text form of acl(5), with commas between entries. The names of
// the tags are written out, as in archives.
func (l List) Short() string {
	return strings.ReplaceAll(strings.TrimSuffix(l.String(), "\n"), "\n", ",")
}

// Parse reads either text form, as acl_from_text(3), and returns the entries in the order
// that the kernel wants. "#" begins a comment. The error of what is not a list wraps
// unix.EINVAL.
func Parse(text string) (List, error) {
	var list List
	for line := range strings.SplitSeq(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		for item := range strings.SplitSeq(line, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			if len(list) == maxEntries {
				return nil, fmt.Errorf("access control list of more than %d entries: %w", maxEntries, unix.EINVAL)
			}
			e, ok := parseEntry(item)
			if !ok {
				return nil, fmt.Errorf("access control entry %q: %w", item, unix.EINVAL)
			}
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

func parseEntry(item string) (e Entry, ok bool) {
	f := strings.Split(item, ":")
	// "other:r--" and "mask:r--" may leave out the empty field.
	if len(f) == 2 && (strings.HasPrefix("other", f[0]) || strings.HasPrefix("mask", f[0])) {
		f = []string{f[0], "", f[1]}
	}
	if len(f) != 3 || f[0] == "" {
		return e, false
	}
	e.ID = NoID
	who := strings.TrimSpace(f[1])
	for _, t := range tags {
		if strings.HasPrefix(t.name, f[0]) && t.named == (who != "") {
			e.Tag = t.tag
			break
		}
	}
	switch {
	case e.Tag == 0:
		return e, false
	case who == "root":
		e.ID = 0
	case who != "":
		n, err := strconv.ParseUint(who, 10, 32)
		if err != nil || n == NoID {
			return e, false
		}
		e.ID = uint32(n)
	}
	for _, c := range strings.TrimSpace(f[2]) {
		switch c {
		case 'r':
			e.Perm |= 4
		case 'w':
			e.Perm |= 2
		case 'x':
			e.Perm |= 1
		case '-':
		default:
			return e, false
		}
	}
	return e, true
}
