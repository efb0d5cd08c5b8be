package main

import (
	"os/exec"
	"time"

	"github.com/unboot/unboot/internal/testimg"
)

// programRuns are the programs of a guest that are measured, as a script of its sh(1).
var programRuns = []struct {
	work, script string
	n            int
	most         time.Duration
	ratio        float64
}{
	{"`/bin/true`", "", 40, 25 * time.Millisecond, 0},
	{"`dpkg -l`", "dpkg -l", 20, 0, 1.5},
	{"`find / -xdev`", "find / -xdev", 10, 0, 2},
	{"`python3` with imports", "python3 -c 'import json, subprocess, asyncio, urllib.request, sqlite3'", 10, 0, 1.5},
	{"`tar -c /usr/share | md5sum`", "tar -c /usr/share 2>/dev/null | md5sum", 5, 0, 2.5},
	{"`sh` that starts `/bin/true` 100 times", "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done", 5, 0, 0},
	{"`gzip -9` of 100 MB", "cat /usr/bin/* | head -c 100000000 | gzip -9", 3, 0, 1.1},
	{"`xz -3` of 30 MB", "cat /usr/bin/* 2>/dev/null | head -c 30000000 | xz -T1 -3 | wc -c", 3, 0, 1.1},
	{"`gcc -O2` of 3000 functions", "seq 3000 | sed 's/.*/int f&(int x,int*p){for(int i=0;i<x;i++)p[i]+=p[i^1]*&;return p[x];}/' | gcc -O2 -x c -S -o - - | md5sum", 3, 0, 1.1},
}

// benchExec: programs of a guest, against a chroot on the host's loop mount of the same image.
func benchExec(e *env) (rows []row, err error) {
	image, err := testimg.BuildDebianPrograms()
	if err != nil {
		return nil, err
	}
	if err := preread(image); err != nil {
		return nil, err
	}
	for _, p := range programRuns {
		argv := []string{"/bin/sh", "-c", p.script}
		if p.script == "" {
			argv = []string{"/bin/true"}
		}
		ours, theirs, err := e.pairs(p.n, e.unbootDoes(append([]string{"exec", "-r", image, "--"}, argv...)...),
			e.mounted("chroot", image, func(dir string) (sample, error) {
				return timed(exec.Command("chroot", append([]string{dir}, argv...)...))
			}))
		if err != nil {
			return rows, err
		}
		rows = append(rows, compare("`unboot exec IMAGE`: "+p.work, ours, "in a chroot on the loop mount", theirs, p.most, p.ratio,
			"unboot exec IMAGE -- strace -c …"))
	}
	return rows, nil
}
