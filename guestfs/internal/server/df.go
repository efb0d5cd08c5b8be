package server

import (
	"context"
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/lsfmt"
)

// Df lists the file systems that are mounted, as df(1).
func (s *Server) Df(ctx context.Context) (string, error) { return s.df(false) }

// DfH is Df with sizes for people, as "df -h".
func (s *Server) DfH(ctx context.Context) (string, error) { return s.df(true) }

func (s *Server) df(human bool) (string, error) {
	if !s.mounted() {
		return "", errorf("df_stub: you must call 'mount' first to mount the root filesystem")
	}
	size := "1K-blocks"
	if human {
		size = "Size"
	}
	rows := [][6]string{{"Filesystem", size, "Used", map[bool]string{false: "Available", true: "Avail"}[human], "Use%", "Mounted on"}}
	for _, p := range s.places() {
		var st unix.Statfs_t
		if err := s.trees[p.tree].View().Statfs(guestPath(p.m.Dir), &st); err != nil {
			return "", perror(err, "df: %s", guestPath(p.m.Dir))
		}
		unit := uint64(max(st.Frsize, 1))
		used := st.Blocks - min(st.Bfree, st.Blocks)
		show := func(blocks uint64) string {
			hi, n := bits.Mul64(blocks, unit)
			if hi != 0 {
				n = 1<<64 - 1
			}
			if human {
				return lsfmt.Size(n)
			}
			return fmt.Sprint((n + 1023) / 1024)
		}
		percent := "-"
		if total := used + st.Bavail; total > 0 && total >= used {
			hi, lo := bits.Mul64(used, 100)
			if hi < total {
				q, rest := bits.Div64(hi, lo, total)
				if rest > 0 {
					q++
				}
				percent = fmt.Sprintf("%d%%", q)
			}
		}
		rows = append(rows, [6]string{p.m.Device, show(st.Blocks), show(used), show(st.Bavail), percent, guestPath(p.m.Dir)})
	}
	return dfTable(rows), nil
}

// dfTable aligns columns as df(1), which gives the first at least 14 characters and
// numbers at least 5.
func dfTable(rows [][6]string) string {
	width := [6]int{14, 5, 5, 5, 4, 0}
	for _, r := range rows {
		for i := range r {
			width[i] = max(width[i], len(r[i]))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%-*s %*s %*s %*s %*s %s\n", width[0], r[0], width[1], r[1], width[2], r[2], width[3], r[3], width[4], r[4], r[5])
	}
	return b.String()
}
