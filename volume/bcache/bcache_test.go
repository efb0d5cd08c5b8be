package bcache

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
)

func member(t *testing.T, path string) *volume.Member {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return &volume.Member{R: f, Size: st.Size(), Name: filepath.Base(path)}
}

func inMemory(name string, b []byte) *volume.Member {
	return &volume.Member{R: bytes.NewReader(b), Size: int64(len(b)), Name: name}
}

// superblock makes a device of a MiB with a superblock.
func superblock(version, flags, offset uint64, label string) []byte {
	b := make([]byte, 1<<20)
	s := b[superblockAt:]
	le.PutUint64(s[8:], 8)
	le.PutUint64(s[16:], version)
	copy(s[24:], magic)
	copy(s[40:], "the device's own")
	copy(s[56:], "that of a cache ")
	copy(s[72:104], label)
	le.PutUint64(s[104:], flags)
	le.PutUint64(s[184:], offset)
	seal(s)
	return b
}

func seal(s []byte) {
	le.PutUint64(s, crc64(s[8:keysAt+8*min(int(le.Uint16(s[206:])), maxKeys)]))
}

func describe(list []*volume.Volume) string {
	var b strings.Builder
	for _, v := range list {
		fmt.Fprintf(&b, "%s %v %d ro=%v", v.Name, v.Nodes, v.Size, v.ReadOnly)
		for _, t := range v.Table {
			fmt.Fprintf(&b, " %s", t.Line(func(b volume.Base) string { return b.(*volume.Member).Name }))
		}
		fmt.Fprintln(&b, "", v.Problems)
	}
	return b.String()
}

// The superblocks that make-bcache writes are read as bcache-super-show reads them.
func TestSuperShow(t *testing.T) {
	testimg.Need(t, "make-bcache", "bcache-super-show")
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"backing":        {"-B"},
		"offset":         {"-B", "--data-offset", "2048"},
		"cache":          {"-C"},
		"large":          {"-C", "--bucket", "2M"},
		"set":            {"-C", "--cset-uuid", "11111111-2222-3333-4444-555555555555"},
		"backing of set": {"-B", "--cset-uuid", "11111111-2222-3333-4444-555555555555", "--writeback"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 512<<20); err != nil {
			t.Fatal(err)
		}
		testimg.MustRun(t, "make-bcache", append(args, path)...)
		out := testimg.MustRun(t, "bcache-super-show", path)
		m := member(t, path)
		sb, err := Read(m.R, m.Size)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
			continue
		}
		want := func(key string, got any) {
			match := regexp.MustCompile(`(?m)^` + key + `\s+(\S+)`).FindSubmatch([]byte(out))
			if match == nil || string(match[1]) != fmt.Sprint(got) {
				t.Errorf("%s: %s is %v, want\n%s", name, key, got, out)
			}
		}
		want("sb.version", sb.Version)
		want("dev.uuid", sb.UUID)
		want("cset.uuid", sb.SetUUID)
		if sb.Cache {
			want("dev.sectors_per_bucket", sb.BucketSize/volume.SectorSize)
			want("dev.cache.total_sectors", int64(sb.Buckets)*sb.BucketSize/volume.SectorSize)
		} else {
			want("dev.data.first_sector", sb.DataOffset/volume.SectorSize)
			want("dev.data.cache_state", int(sb.State))
		}
	}
}

// A device whose cache has newer data opens by force alone.
func TestFixture(t *testing.T) {
	var members []*volume.Member
	for _, disk := range testvol.Unpack(t, "bcache") {
		members = append(members, member(t, disk))
	}
	uuid := regexp.MustCompile(`dev.uuid\s+(\S+)`).FindStringSubmatch(testvol.Record(t, "bcache", "super.txt"))[1]
	for force, table := range map[bool]string{false: "ro=false", true: "ro=true 0 393200 linear \\S+ 16"} {
		got := describe(Type.Open(context.Background(), members, &volume.Env{ForceDirty: force}))
		want := `^bcache0 \[/dev/bcache0 /dev/bcache/by-uuid/` + uuid + `\] 201318400 ` + table + ` \[its cache on \S+ may have newer data, .*\]\n$`
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s does not match %s", got, want)
		}
	}
}

// What is opened, and how, depends on what the cache may have.
func TestStates(t *testing.T) {
	const uuid = "74686520-6465-7669-6365-2773206f776e"
	cache := superblock(3, 0, 100, "")
	for _, test := range []struct {
		state State
		cache bool
		env   volume.Env
		want  string
	}{
		{Detached, true, volume.Env{}, "ro=false 0 2016 linear b 32 []"},
		{Clean, true, volume.Env{}, "ro=true 0 2016 linear b 32 []"},
		{Clean, false, volume.Env{ReadOnly: true}, "ro=false 0 2016 linear b 32 []"},
		{Stale, false, volume.Env{}, "ro=false 0 2016 linear b 32 [it was used without its cache, which may have had newer data]"},
		{Dirty, true, volume.Env{}, "ro=false [its cache on c may have newer data, and the kernel has no driver for it]"},
		{Dirty, false, volume.Env{}, "ro=false [its cache (set 74686174-206f-6620-6120-636163686520), which is not there, may have newer data, and the kernel has no driver for it]"},
		{Dirty, true, volume.Env{ForceDirty: true}, "ro=true 0 2016 linear b 32 [its cache on c may have newer data, and the kernel has no driver for it]"},
	} {
		members := []*volume.Member{inMemory("b", superblock(4, uint64(test.state)<<61|1, 32, "a"))}
		if test.cache {
			members = append(members, inMemory("c", cache))
		}
		got := describe(Type.Open(context.Background(), members, &test.env))
		want := "bcache0 [/dev/bcache0 /dev/bcache/by-uuid/" + uuid + " /dev/bcache/by-label/a] 1032192 " + test.want + "\n"
		if got != want {
			t.Errorf("%v %v:\n%swant\n%s", test.state, test.cache, got, want)
		}
	}
}

// A copy of a device is a volume of its own, and is said to be one.
func TestCopies(t *testing.T) {
	b := superblock(1, 0, 0, "../a")
	list := Type.Open(context.Background(), []*volume.Member{inMemory("a", b), inMemory("b", b)}, nil)
	if len(list) != 2 || list[0].UUID == list[1].UUID || list[0].Name == list[1].Name || len(list[0].Problems) != 0 ||
		len(list[0].Nodes) != 2 || len(list[1].Problems) != 1 || !strings.Contains(list[1].Problems[0], "same UUID as a") {
		t.Error(describe(list))
	}
}

// A superblock that lies is a problem of its device.
func TestBad(t *testing.T) {
	for want, change := range map[string]func(s []byte){
		"its checksum does not fit":                  func(s []byte) { s[0] ^= 1 },
		"no superblock":                              func(s []byte) { s[8] = 9; seal(s) },
		"version 2 of bcache":                        func(s []byte) { s[16] = 2; seal(s) },
		"the data begins in sector 15 of 2048":       func(s []byte) { le.PutUint64(s[184:], 15); seal(s) },
		"the data begins in sector 2048 of":          func(s []byte) { le.PutUint64(s[184:], 2048); seal(s) },
		"data begins in sector 18446744073709551615": func(s []byte) { le.PutUint64(s[184:], 1<<64-1); seal(s) },
		"its journal has 257 parts":                  func(s []byte) { le.PutUint16(s[206:], 257); seal(s) },
	} {
		b := superblock(4, 0, 16, "")
		change(b[superblockAt:])
		m := inMemory("b", b)
		if list := Type.Open(context.Background(), []*volume.Member{m}, nil); len(list) != 0 || len(m.Problems) != 1 || !strings.Contains(m.Problems[0], want) {
			t.Errorf("%s: %s, %q", want, describe(list), m.Problems)
		}
	}
	m := inMemory("b", make([]byte, 5000))
	if Type.Open(context.Background(), []*volume.Member{m}, nil); len(m.Problems) != 1 {
		t.Errorf("%q", m.Problems)
	}
}

// FuzzSuperblock opens devices whose superblocks are the input, with the right checksum.
func FuzzSuperblock(f *testing.F) {
	for _, version := range []uint64{0, 1, 3, 4, 5, 6} {
		f.Add(superblock(version, 1<<61, 16, "label")[superblockAt:][:512], uint32(1<<20))
	}
	f.Fuzz(func(t *testing.T, s []byte, size uint32) {
		b := make([]byte, size%(1<<20))
		if len(b) >= superblockAt+superblockSize {
			copy(b[superblockAt:][:superblockSize], s)
			seal(b[superblockAt:])
		}
		for _, v := range Type.Open(context.Background(), []*volume.Member{inMemory("b", b)}, &volume.Env{ForceDirty: true}) {
			info := v.Info.(*Superblock)
			if v.Size <= 0 || info.DataOffset+v.Size > int64(len(b)) || v.Table[0].Length*volume.SectorSize != v.Size {
				t.Errorf("%+v of %d bytes: %+v", v, len(b), info)
			}
			for _, n := range v.Nodes {
				if strings.Contains(n, "..") && !strings.HasPrefix(n, "/dev/bcache/by-label/") || strings.Count(n, "/") > 4 {
					t.Errorf("%q", n)
				}
			}
		}
	})
}
