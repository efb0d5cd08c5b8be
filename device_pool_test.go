package unboot_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// pool makes a btrfs of several devices, has the host write a file, and returns their paths.
func pool(t *testing.T, devices int, profile string) []string {
	t.Helper()
	testimg.Need(t, "mkfs.btrfs", "losetup")
	testimg.NeedRoot(t)
	if !testimg.HostHas("btrfs") {
		t.Skip("the host lacks the driver of btrfs")
	}
	var names []string
	for i := range devices {
		names = append(names, string(rune('a'+i)))
	}
	list := strings.Join(names, " ")
	dir := filepath.Dir(shell(t, "a", `truncate -s 300M `+list+`
mkfs.btrfs -q -f -d `+profile+` -m `+profile+` `+list+`
mkdir m; loops=; options=nodev
trap 'umount m || true; losetup -d $loops' EXIT
for d in `+list+`; do
	l=$(losetup -f --show $d); loops="$loops $l"; options=$options,device=$l
done
mount -t btrfs -o $options $l m
seq 100000 >m/numbers`))
	for i := range names {
		names[i] = filepath.Join(dir, names[i])
	}
	return names
}

// addAll returns the options that add the other devices of a pool.
func addAll(paths []string) (opts []unboot.Option) {
	for _, p := range paths {
		opts = append(opts, unboot.AddDisk(p))
	}
	return opts
}

func numbers(t *testing.T, f *unboot.FS) {
	t.Helper()
	var want strings.Builder
	for i := 1; i <= 100000; i++ {
		fmt.Fprintln(&want, i)
	}
	if got, err := f.ReadFile("numbers"); err != nil || string(got) != want.String() {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestPoolProfiles opens a btrfs of each profile from whichever device, and degraded with as
// many missing as the profile allows.
func TestPoolProfiles(t *testing.T) {
	for _, c := range []struct {
		profile         string
		devices, spares int
	}{
		{"single", 2, 0}, {"raid0", 2, 0}, {"raid1", 2, 1}, {"raid1c3", 3, 2}, {"raid10", 4, 1}, {"raid5", 3, 1}, {"raid6", 4, 2},
	} {
		t.Run(c.profile, func(t *testing.T) {
			disks := pool(t, c.devices, c.profile)
			var unchanged []func()
			for _, d := range disks {
				unchanged = append(unchanged, rig.Unchanged(t, d))
			}
			f := mount(t, disks[len(disks)-1], addAll(disks[:len(disks)-1])...)
			numbers(t, f)
			if p := f.Problems(); len(p) != 0 {
				t.Errorf("problems: %q", p)
			}
			left := disks[c.spares:]
			if c.spares > 0 {
				f := mount(t, left[0], addAll(left[1:])...)
				numbers(t, f)
				if p := strings.Join(f.Problems(), "\n"); !strings.Contains(p, fmt.Sprintf("%d of the %d devices", c.spares, c.devices)) {
					t.Errorf("problems: %q", p)
				}
			}
			for _, check := range unchanged {
				check()
			}
			if c.spares > 0 {
				if _, err := open(t, left[0], append(addAll(left[1:]), unboot.Writable())...).MountAuto(); err == nil {
					t.Error("mounted for writing with devices missing")
				}
			}
		})
	}
}

// TestPoolCopies gives two copies of a btrfs together.
func TestPoolCopies(t *testing.T) {
	disks := pool(t, 2, "raid1")
	var others []string
	for _, d := range disks {
		if err := testimg.Copy(d, d+".copy"); err != nil {
			t.Fatal(err)
		}
		others = append(others, d+".copy")
	}
	img := open(t, disks[0], addAll(append(disks[1:], others...))...)
	problems := strings.Join(img.Problems(), "\n")
	if !strings.Contains(problems, "/dev/sda and /dev/sdc are copies of one device, number 1 of the btrfs") {
		t.Errorf("problems: %q", problems)
	}
	for _, d := range img.Devices() {
		if p := d.Pool(); len(p) != 1 || p[0] != d {
			t.Errorf("%s is used with %d", d.Name, len(p))
		}
	}
	f, err := img.Mount("/dev/sdb")
	if err != nil {
		t.Fatal(err)
	}
	numbers(t, f)
	if p := strings.Join(f.Problems(), "\n"); !strings.Contains(p, "mounted degraded") {
		t.Errorf("problems: %q", p)
	}
	img = open(t, disks[0], append(addAll(append(disks[1:], others...)), unboot.Writable())...)
	if _, err := img.Mount("/dev/sdb"); err == nil || !strings.Contains(err.Error(), "are copies of one device") {
		t.Errorf("for writing: %v", err)
	}
	// Two copies of a device that is alone are two file systems.
	one := pool(t, 1, "single")
	if err := testimg.Copy(one[0], one[0]+".copy"); err != nil {
		t.Fatal(err)
	}
	img = open(t, one[0], unboot.AddDisk(one[0]+".copy"))
	if p := strings.Join(img.Problems(), "\n"); !strings.Contains(p, "are copies of one device") {
		t.Errorf("problems: %q", p)
	}
	for _, name := range []string{"/dev/sda", "/dev/sdb"} {
		f, err := img.Mount(name)
		if err != nil {
			t.Fatal(err)
		}
		numbers(t, f)
	}
}

// TestPoolSeed mounts a seed, which is never written to, and what has grown on it.
func TestPoolSeed(t *testing.T) {
	disks := pool(t, 1, "single")
	testimg.Need(t, "btrfstune", "losetup")
	testimg.NeedRoot(t)
	sprout := filepath.Join(filepath.Dir(disks[0]), "sprout")
	shell(t, "", `seed=`+disks[0]+` new=`+sprout+`
btrfstune -f -S 1 $seed
truncate -s 300M $new; l=$(losetup -f --show $new); mkdir m
trap 'umount m || true; losetup -d $l' EXIT
mount -t btrfs -o loop $seed m
btrfs device add -f $l m >/dev/null
mount -o remount,rw m
echo sprouted >m/grown
sync`)
	seed := open(t, disks[0], unboot.Writable())
	f, err := seed.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	numbers(t, f)
	if !f.ReadOnly() {
		t.Error("a seed is mounted for writing")
	}
	seed.Close()
	for _, order := range [][]string{{disks[0], sprout}, {sprout, disks[0]}} {
		img := open(t, order[0], unboot.AddDisk(order[1]), unboot.Writable())
		for _, d := range img.Devices() {
			if d.Content.Seed {
				continue
			}
			f, err := img.Mount(d.Name)
			if err != nil {
				t.Fatal(err)
			}
			numbers(t, f)
			wantFile(t, f, "grown", "sprouted\n")
			if err := f.WriteFile("more", []byte("more\n"), 0o644); err != nil {
				t.Error(err)
			}
		}
		img.Close()
	}
}
