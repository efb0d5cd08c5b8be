package unboot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume"
)

// withType opens an image of which every ext4 is a member of a kind of volumes that the test
// makes up.
func withType(t *testing.T, open func(context.Context, []*volume.Member, *volume.Env) []*volume.Volume) *Image {
	t.Helper()
	was := volumeTypes
	volumeTypes = []*volume.Type{{Name: "toy", Members: []string{"ext4"}, Open: open}}
	t.Cleanup(func() { volumeTypes = was })
	img, err := Open(context.Background(), testimg.FS(t, "ext4", testimg.Options{}))
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

// linear plans a volume of some sectors of a device.
func linear(name string, on volume.Base, start, length int64) *volume.Volume {
	return &volume.Volume{
		Kind: "dm", Name: name, Nodes: []string{"/dev/mapper/" + name}, Size: length * volume.SectorSize,
		Table: []volume.Target{{Length: length, Type: "linear", Params: fmt.Sprint("@ ", start), Devices: []volume.Base{on}}},
	}
}

// A volume that holds what makes a volume of it again ends at the bound on levels.
func TestVolumeLevels(t *testing.T) {
	img := withType(t, func(_ context.Context, members []*volume.Member, _ *volume.Env) (list []*volume.Volume) {
		for i, m := range members {
			list = append(list, linear(fmt.Sprint("v", i), m, 0, m.Size/volume.SectorSize))
		}
		return list
	})
	devices, inactive := img.Devices(), img.Inactive()
	if len(devices) != 1+maxLevels || len(inactive) != 1 || inactive[0].Err == nil || !strings.Contains(inactive[0].Err.Error(), "lie on each other") {
		t.Errorf("%d devices, %v", len(devices), inactive)
	}
	if last := devices[len(devices)-1]; len(last.Disks()) != 1 || last.Name != fmt.Sprint("/dev/mapper/v", maxLevels-1) {
		t.Error(last, last.Disks())
	}
}

// Hidden parts count as levels, and that there are more ways down through them than could be
// walked does not matter.
func TestVolumeLadder(t *testing.T) {
	const steps = 100
	img := withType(t, func(_ context.Context, members []*volume.Member, _ *volume.Env) (list []*volume.Volume) {
		below := [2]volume.Base{members[0], members[0]}
		for i := range steps {
			var now [2]volume.Base
			for j := range now {
				v := linear(fmt.Sprint("h", i, "-", j), below[0], 0, 8)
				v.Table = append(v.Table, volume.Target{Start: 8, Length: 8, Type: "linear", Params: "@ 0", Devices: []volume.Base{below[1]}})
				v.Size, v.Hidden = 16*volume.SectorSize, true
				list, now[j] = append(list, v), v
			}
			below = now
			if i == 20 || i == steps-1 {
				list = append(list, linear(fmt.Sprint("top", i), below[0], 0, 16))
			}
		}
		return list
	})
	if list := img.Devices(); len(list) != 2 || list[1].Name != "/dev/mapper/top20" || list[1].Parents()[0] != list[0] {
		t.Error(list)
	}
	if in := img.Inactive(); len(in) != 1 || in[0].Name != "top99" || in[0].Err == nil {
		t.Error(in)
	}
}

// Names from an image lead nowhere else, and take nothing's place.
func TestVolumeNames(t *testing.T) {
	names := []string{"/dev/sda", "/dev/../etc/x", "/etc/x", "/dev/mapper/control", "/dev/null/x", "/dev//x", "/dev/a/b/c/d", "/dev/mapper/good"}
	img := withType(t, func(_ context.Context, members []*volume.Member, _ *volume.Env) []*volume.Volume {
		v := linear("v", members[0], 0, 8)
		v.Nodes = names
		twin := linear("v", members[0], 8, 8)
		return []*volume.Volume{v, twin}
	})
	d := img.Devices()[1]
	if d.Name != "/dev/mapper/good" || len(d.Aliases) != 1 || d.Aliases[0] != "/dev/dm-0" {
		t.Error(d.Name, d.Aliases)
	}
	if disk, err := img.Device("/dev/sda"); err != nil || disk.Kind != KindDisk {
		t.Error(disk, err)
	}
}

// Plans that the kernel refuses, or that lie on what is not there, are inactive, and the
// others are there.
func TestVolumeRefused(t *testing.T) {
	img := withType(t, func(_ context.Context, members []*volume.Member, _ *volume.Env) []*volume.Volume {
		beyond := linear("beyond", members[0], 0, 1<<40)
		hidden := linear("hidden", members[0], 0, 16)
		hidden.Hidden = true
		return []*volume.Volume{
			beyond, linear("onit", beyond, 0, 8), linear("empty", members[0], 0, 0),
			linear(strings.Repeat("n", 200), members[0], 0, 8), hidden, linear("good", hidden, 8, 8), linear("stranger", &volume.Volume{Name: "x"}, 0, 8),
		}
	})
	if list := img.Devices(); len(list) != 2 || list[1].Name != "/dev/mapper/good" || len(list[1].Parents()) != 1 || list[1].Parents()[0] != list[0] {
		t.Error(list)
	}
	said := map[string]string{}
	for _, v := range img.Inactive() {
		said[v.Name] = fmt.Sprint(v.Err)
	}
	for name, want := range map[string]string{
		"beyond": "too small for target", "onit": "beyond, which it lies on: device mapper: ", "empty": "invalid argument",
		strings.Repeat("n", 200): "too long", "stranger": "x, which it lies on",
	} {
		if !strings.Contains(said[name], want) {
			t.Errorf("%s: %q does not say %q", name, said[name], want)
		}
	}
}

// After a rescan a volume is the same value if its plan is; a changed one has its new table;
// one that has gone stays as long as it is in use, which is an error.
func TestVolumeRescan(t *testing.T) {
	var plan func(m *volume.Member) []*volume.Volume
	same := func(m *volume.Member) []*volume.Volume {
		return []*volume.Volume{linear("v", m, 0, 64), linear("w", m, 64, 64)}
	}
	plan = same
	img := withType(t, func(_ context.Context, members []*volume.Member, _ *volume.Env) []*volume.Volume {
		return plan(members[0])
	})
	v, w := img.Devices()[1], img.Devices()[2]
	if err := img.Rescan(); err != nil || img.Devices()[1] != v || img.Devices()[2] != w {
		t.Error("not the same:", err)
	}
	file, err := w.Open(unix.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	plan = func(m *volume.Member) []*volume.Volume { return []*volume.Volume{linear("v", m, 8, 128)} }
	if err := img.Rescan(); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "/dev/mapper/w") {
		t.Error(err)
	}
	if list := img.Devices(); len(list) != 3 || list[1] == v || list[1].Size != 128*512 {
		t.Error(list)
	}
	if _, err := v.Open(unix.O_RDONLY); !errors.Is(err, ErrNotFound) {
		t.Error("the device of before is another one:", err)
	}
	now, err := img.Devices()[1].Open(unix.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	if size, err := now.Seek(0, 2); err != nil || size != 128*512 {
		t.Error(size, err)
	}
	now.Close()
	file.Close()
	if err := img.Rescan(); err != nil || len(img.Devices()) != 2 {
		t.Error(err, img.Devices())
	}
	plan = same
	if err := img.Rescan(); err != nil || len(img.Devices()) != 3 {
		t.Error(err, img.Devices())
	}
}
