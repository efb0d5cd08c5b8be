// Package hostile opens images that are broken, by accident or on purpose. What
// the kernel makes of them is its own affair, up to a panic: but the program
// that opened them lives, has its answer in time, and the image stays as it is.
package hostile

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

func TestMain(m *testing.M) { rig.Main(m) }

// A target is a kind of image that is mutated.
type target struct {
	name    string
	fstype  string
	args    []string
	options string // of the mount
}

// targets are all types, and variants without the checksums that would catch
// most mutations early.
func targets() (list []target) {
	for _, fstype := range testimg.Types() {
		switch fstype {
		case "swap", "fat32", "ufs2":
			continue // no file system; the same as vfat; not mounted by the kernel
		}
		tg := target{name: fstype, fstype: fstype}
		if fstype == "ufs1" {
			tg.options = "ufstype=44bsd"
		}
		list = append(list, tg)
	}
	return append(list,
		target{"ext4-plain", "ext4", []string{"-b", "4096", "-O", "^metadata_csum,inline_data"}, ""},
		target{"xfs-v4", "xfs", []string{"-m", "crc=0", "-s", "size=512"}, ""},
		target{"squashfs-zstd", "squashfs", []string{"-comp", "zstd"}, ""},
		target{"squashfs-xz", "squashfs", []string{"-comp", "xz"}, ""},
		target{"squashfs-lzo", "squashfs", []string{"-comp", "lzo"}, ""},
		target{"squashfs-lz4", "squashfs", []string{"-comp", "lz4"}, ""},
		target{"erofs-lz4", "erofs", []string{"-zlz4hc"}, ""},
	)
}

// prepare returns a private image with something in it.
func (tg target) prepare(t *testing.T) string {
	t.Helper()
	populated := testimg.Populates(tg.fstype)
	shared := testimg.FS(t, tg.fstype, testimg.Options{Tree: populated, Nodes: tg.tree(), Args: tg.args})
	image := memory(t) + "/image"
	rig.Check(t, "copy", testimg.Copy(shared, image))
	if populated {
		return image
	}
	k := rig.Boot(t, nil)
	disk := rig.Attach(t, k, image)
	dir, err := rig.Mount(k, disk, rig.Driver(tg.fstype), 0, tg.options)
	rig.Check(t, "mount", err)
	for i := range 3 {
		sub := fmt.Sprintf("%s/d%d", dir, i)
		rig.Check(t, "mkdir", k.Mkdirat(unix.AT_FDCWD, sub, 0o755))
		for j := range 40 {
			fd, err := k.Open(fmt.Sprintf("%s/file number %d", sub, j), unix.O_CREAT|unix.O_WRONLY, 0o644)
			rig.Check(t, "create", err)
			_, err = k.Pwrite(fd, testimg.Pattern(j*700, uint64(j)), 0)
			rig.Check(t, "write", err)
			rig.Check(t, "close", k.CloseFd(fd))
		}
		k.Symlinkat("d0/somewhere", unix.AT_FDCWD, sub+"/link")
		k.Mknodat(unix.AT_FDCWD, sub+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))
		k.Setxattr(sub, "user.x", []byte("some value"), 0)
	}
	rig.Check(t, "unmount", k.Unmount(dir, 0))
	rig.Check(t, "close", k.Close())
	return image
}

// tree is the odd tree without most of its bulk: mutations hit the rest more
// often.
func (tg target) tree() (list []testimg.Node) {
	for _, n := range testimg.TreeFor(tg.fstype) {
		if strings.HasPrefix(n.Path, "wide/") && n.Path > "wide/entry-060" {
			continue
		}
		if n.Size > 1<<20 {
			continue
		}
		list = append(list, n)
	}
	return list
}

// memory returns a directory in memory, if the host has that.
func memory(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "unboot-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// seed is that of all mutations: UNBOOT_SEED or the same each time.
func seed(t *testing.T) uint64 {
	if s := os.Getenv("UNBOOT_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 0, 64)
		rig.Check(t, "UNBOOT_SEED", err)
		return n
	}
	return 1
}

// mutations is how many each target gets in the normal suite: more than 2000
// together.
const mutations = 72

// TestMutations breaks a small image of each file system again and again.
func TestMutations(t *testing.T) {
	seed := seed(t)
	n := mutations
	if testing.Short() {
		n = 6
	}
	for _, tg := range targets() {
		t.Run(tg.name, func(t *testing.T) {
			t.Parallel()
			tg.run(t, seed, func(i int) bool { return i < n })
		})
	}
}

// TestSoakMutations goes on for as long as UNBOOT_SOAK says.
func TestSoakMutations(t *testing.T) {
	value := os.Getenv("UNBOOT_SOAK")
	if value == "" {
		t.Skip("UNBOOT_SOAK does not say how long")
	}
	d, err := time.ParseDuration(value)
	rig.Check(t, "UNBOOT_SOAK", err)
	seed := rand.Uint64()
	list := targets()
	for _, tg := range list {
		t.Run(tg.name, func(t *testing.T) {
			until := time.Now().Add(d / time.Duration(len(list)))
			tg.run(t, seed, func(int) bool { return time.Now().Before(until) })
		})
	}
}

func (tg target) run(t *testing.T, seed uint64, more func(i int) bool) {
	image := tg.prepare(t)
	v, err := newVictim(image)
	rig.Check(t, "read", err)
	defer v.f.Close()
	r := newRange()
	defer r.close()
	driver := rig.Driver(tg.fstype)
	if err := r.shoot(t, image, driver, tg.options, unix.MS_RDONLY); err != nil || r.count["mounted"] != 1 {
		t.Fatalf("the image that is not mutated yet: %v, %v", err, r)
	}
	defer func() { t.Logf("%s: %v", tg.name, r) }()
	for i := 0; more(i); i++ {
		// Each mutation by itself can be made again.
		h := fnv.New64a()
		binary.Write(h, binary.LittleEndian, [2]uint64{seed, uint64(i)})
		what := v.mutate(rand.New(rand.NewPCG(h.Sum64(), uint64(len(tg.name)))))
		var flags uintptr
		if i%3 != 0 {
			flags = unix.MS_RDONLY
		}
		check := func() {}
		if i%10 == 0 {
			check = rig.Unchanged(t, image)
		}
		panics := r.count["panics"] + r.count["faults"]
		if err := r.shoot(t, image, driver, tg.options, flags); err != nil {
			kept := fmt.Sprintf("/var/tmp/unboot-hostile-%s-%x-%d", tg.name, seed, i)
			testimg.Copy(image, kept)
			t.Errorf("seed %#x, mutation %d (%s), kept as %s: %v", seed, i, what, kept, err)
		}
		if os.Getenv("UNBOOT_KEEP") != "" && r.count["panics"]+r.count["faults"] > panics {
			kept := fmt.Sprintf("%s/%s-%x-%d", os.Getenv("UNBOOT_KEEP"), tg.name, seed, i)
			rig.Check(t, "keep", testimg.Copy(image, kept))
			t.Logf("%s: %s\n%+v", kept, what, r.k.Err())
		}
		check()
		rig.Check(t, "restore", v.restore())
	}
	if err := r.shoot(t, image, driver, tg.options, unix.MS_RDONLY); err != nil {
		t.Errorf("the image after all mutations were undone: %v", err)
	}
}
