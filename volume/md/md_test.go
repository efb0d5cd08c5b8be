package md

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/md/mdtest"
)

const mib = 1 << 20

// members opens files as the members /dev/sda, /dev/sdb….
func members(t *testing.T, paths []string) []*volume.Member {
	t.Helper()
	var list []*volume.Member
	for i, p := range paths {
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, &volume.Member{R: f, Size: info.Size(), SectorSize: 512, Name: fmt.Sprintf("/dev/sd%c", 'a'+i), Disk: true})
	}
	return list
}

func openOne(t *testing.T, list []*volume.Member, env *volume.Env) *volume.Volume {
	t.Helper()
	volumes := Type.Open(context.Background(), list, env)
	if len(volumes) != 1 {
		t.Fatalf("%d volumes: %+v", len(volumes), volumes)
	}
	return volumes[0]
}

var raid5 = mdtest.Spec{Version: "1.2", Level: 5, Layout: 2, Chunk: 64 << 10, Disks: 3, Sizes: []int64{8 * mib}, Name: "host:data"}

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		version string
		nodes   []string
		size    int64
	}{
		{"1.2", []string{"/dev/md/host:data", "/dev/md/data"}, 14 * mib},
		{"1.1", []string{"/dev/md/host:data", "/dev/md/data"}, 14 * mib},
		{"1.0", []string{"/dev/md/host:data", "/dev/md/data"}, 2 * (8*mib - 128<<10)},
		{"0.90", []string{"/dev/md/5_0", "/dev/md/5", "/dev/md5"}, 2 * (8*mib - 64<<10)},
	} {
		s := raid5
		s.Version = c.version
		v := openOne(t, members(t, mdtest.Create(t, s)), nil)
		a := v.Array
		if a == nil || len(v.Problems) > 0 {
			t.Fatalf("%s: %+v", c.version, v)
		}
		if v.Kind != "raid5" || v.Size != c.size || !slices.Equal(v.Nodes, c.nodes) || a.RaidDisks != 3 || len(a.Slots) != 3 || a.Dirty || a.Degraded != 0 {
			t.Errorf("%s: %+v %+v", c.version, v, a)
		}
	}
}

// TestDecisions has what mdadm decides of members that are missing, old, or in conflict.
func TestDecisions(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(s *mdtest.Spec)
		prepare func(t *testing.T, s mdtest.Spec, m []*volume.Member) []*volume.Member
		env     volume.Env
		state   string // of the array
		slots   int    // 0 if it is not to be started
		problem string
	}{
		{name: "whole", state: "clean", slots: 3},
		{name: "dirty", change: func(s *mdtest.Spec) { s.Dirty = true }, state: "active", slots: 3},
		{name: "one missing", prepare: without(1), state: "clean, degraded", slots: 2, problem: "1 of 3 devices missing (1)"},
		{name: "two missing", prepare: without(1, 2), state: "clean, degraded, FAILED", problem: "2 of the 3 devices of the raid5 are missing (1, 2)"},
		{name: "dirty and degraded", change: func(s *mdtest.Spec) { s.Dirty = true }, prepare: without(0), state: "active, degraded", problem: "only the option force-dirty starts it"},
		{name: "forced", change: func(s *mdtest.Spec) { s.Dirty = true }, prepare: without(0), env: volume.Env{ForceDirty: true}, state: "active, degraded", slots: 2},
		{name: "one event behind", prepare: events(1, 16), state: "clean", slots: 3},
		{name: "stale", prepare: events(1, 15), state: "clean, degraded", slots: 2, problem: "/dev/sdb: left out of the array, as it has seen 15 events and others 17"},
		{name: "spare", change: func(s *mdtest.Spec) { s.Spares = 1 }, state: "clean", slots: 4},
		{name: "clone", prepare: func(t *testing.T, s mdtest.Spec, m []*volume.Member) []*volume.Member {
			return append(m, &volume.Member{R: m[2].R, Size: m[2].Size, Name: "/dev/sdd", Disk: true})
		}, state: "clean", problem: "/dev/sdd and /dev/sdc are copies of the same member"},
		{name: "newer of two", prepare: func(t *testing.T, s mdtest.Spec, m []*volume.Member) []*volume.Member {
			return append(m, events(0, 16)(t, s, members(t, mdtest.Create(t, s)))[0])
		}, state: "clean", slots: 3, problem: "/dev/sda: left out of the array, as /dev/sda has the same place and is newer"},
		{name: "truncated", prepare: func(t *testing.T, s mdtest.Spec, m []*volume.Member) []*volume.Member {
			m[1].Size -= mib
			return m
		}, state: "clean, degraded", slots: 2, problem: "/dev/sdb: it is smaller than its md superblock says"},
		{name: "says the first has failed", prepare: func(t *testing.T, s mdtest.Spec, m []*volume.Member) []*volume.Member {
			s.Missing = []int{0}
			m[1] = members(t, mdtest.Create(t, s))[1]
			return m
		}, state: "clean, degraded", slots: 2, problem: "/dev/sdb: left out of the array, as it reports /dev/sda as failed"},
		{name: "another shape", prepare: func(t *testing.T, s mdtest.Spec, m []*volume.Member) []*volume.Member {
			s.Layout = 0
			m[1] = members(t, mdtest.Create(t, s))[1]
			return m
		}, state: "clean, degraded", slots: 2, problem: "another shape"},
		{name: "unknown feature", change: func(s *mdtest.Spec) { s.Features = 0x8000 }, problem: "features that are not known (0x8000)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := raid5
			if c.change != nil {
				c.change(&s)
			}
			m := members(t, mdtest.Create(t, s))
			if c.prepare != nil {
				m = c.prepare(t, s, m)
			}
			volumes := Type.Open(t.Context(), m, &c.env)
			var problems []string
			for _, v := range volumes {
				problems = append(problems, v.Problems...)
			}
			for _, m := range m {
				problems = append(problems, m.Problems...)
			}
			if all := strings.Join(problems, "\n"); !strings.Contains(all, c.problem) || c.problem == "" && all != "" && !c.env.ForceDirty {
				t.Errorf("problems: %s", all)
			}
			if c.state == "" {
				if len(volumes) != 0 {
					t.Errorf("%d volumes", len(volumes))
				}
				return
			}
			v := volumes[0]
			if got := v.Info.(*Array).State(); got != c.state {
				t.Errorf("state %q, want %q", got, c.state)
			}
			slots := 0
			if v.Array != nil {
				slots = len(v.Array.Slots)
			}
			if slots != c.slots {
				t.Errorf("%d slots, want %d", slots, c.slots)
			}
		})
	}
}

func without(numbers ...int) func(*testing.T, mdtest.Spec, []*volume.Member) []*volume.Member {
	return func(t *testing.T, _ mdtest.Spec, m []*volume.Member) []*volume.Member {
		gone := map[*volume.Member]bool{}
		for _, n := range numbers {
			gone[m[n]] = true
		}
		return slices.DeleteFunc(m, func(m *volume.Member) bool { return gone[m] })
	}
}

func events(number int, count uint64) func(*testing.T, mdtest.Spec, []*volume.Member) []*volume.Member {
	return func(t *testing.T, s mdtest.Spec, m []*volume.Member) []*volume.Member {
		s.Events = count
		m[number] = members(t, mdtest.Create(t, s))[number]
		return m
	}
}
