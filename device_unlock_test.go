package unboot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume"
)

// safe is a kind of volumes whose members are file systems: the key "right" opens one.
func safe(alone bool, plan func(m *volume.Member) *volume.Volume) *volume.Type {
	return &volume.Type{Name: "safe", Members: []string{"ext4"}, Alone: alone, Open: func(_ context.Context, members []*volume.Member, env *volume.Env) (list []*volume.Volume) {
		for _, m := range members {
			if strings.HasPrefix(m.Name, "/dev/mapper/") { // what was opened shows the same again
				continue
			}
			v := plan(m)
			list = append(list, v)
			lock := &volume.Lock{Format: "safe"}
			open := false
			if env.Keys != nil {
				for key, err := range env.Keys.Keys(m, lock) {
					if open = err == nil && string(key.Secret) == "right"; open {
						break
					}
					lock.Tried++
				}
			}
			if !open {
				v.Locked, v.Bases, v.Table = lock, []volume.Base{m}, nil
			}
		}
		return list
	}}
}

func safeVolume(m *volume.Member) *volume.Volume {
	v := linear("safe-"+strings.TrimPrefix(m.Name, "/dev/"), m, 0, m.Size/volume.SectorSize)
	v.Kind = string(KindCrypt)
	v.Table[0].Key = []byte("key of the data")
	return v
}

// withKinds opens several copies of a disk whose volumes are of the test's kinds.
func withKinds(t *testing.T, copies int, opts []Option, kinds ...*volume.Type) *Image {
	t.Helper()
	was := volumeTypes
	volumeTypes = kinds
	t.Cleanup(func() { volumeTypes = was })
	data, err := os.ReadFile(testimg.FS(t, "ext4", testimg.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i := range copies {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		opts = append(opts, AddDisk(path))
	}
	img, err := Open(t.Context(), "", opts...)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

func unlock(img *Image, name, secret string) (wiped bool, err error) {
	key := volume.Key{Kind: volume.Passphrase, Secret: []byte(secret)}
	d, err := img.Device(name)
	if err == nil {
		err = img.Unlock(d, key)
	}
	return strings.Trim(string(key.Secret), "\x00") == "", err
}

// TestUnlock says why a device cannot be opened, and wipes the key whatever the reason is.
func TestUnlock(t *testing.T) {
	vista := errors.New("it is of Windows Vista")
	reason := map[string]error{}
	var mu sync.Mutex
	var plans []*volume.Volume // guarded by mu: members are opened at the same time
	img := withKinds(t, 5, nil, safe(true, func(m *volume.Member) *volume.Volume {
		v := safeVolume(m)
		switch m.Name {
		case "/dev/sdb":
			v.Table, v.Bases, v.Problems = nil, []volume.Base{m}, []string{vista.Error()}
		case "/dev/sdc":
			v.Table[0].Length = 1 << 50 // the kernel refuses it
		case "/dev/sdd":
			v.Name = "safe-sda"
		}
		mu.Lock()
		defer mu.Unlock()
		plans = append(plans, v)
		return v
	}))
	for _, name := range []string{"/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd", "/dev/sde"} {
		wiped, err := unlock(img, name, "wrong")
		var locked *LockedError
		if !errors.As(err, &locked) || locked.Device != name || locked.Lock.Tried != 1 || !wiped {
			t.Errorf("%s by a wrong key: %v, wiped: %t", name, err, wiped)
		}
		wiped, err = unlock(img, name, "right")
		if reason[name] = err; !wiped {
			t.Errorf("%s: the key is not wiped", name)
		}
	}
	if reason["/dev/sda"] != nil || reason["/dev/sde"] != nil {
		t.Error(reason)
	}
	for name, want := range map[string]string{"/dev/sdb": vista.Error(), "/dev/sdc": "safe-sdc", "/dev/sdd": "the volume on /dev/sda has the name safe-sda already"} {
		if err := reason[name]; err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), name) || errors.Is(err, ErrLocked) || errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v does not say %q", name, err, want)
		}
	}
	if !errors.Is(reason["/dev/sdd"], unix.EEXIST) {
		t.Error(reason["/dev/sdd"])
	}
	for _, v := range plans {
		for _, target := range v.Table {
			if strings.Trim(string(target.Key), "\x00") != "" && v.Locked == nil {
				t.Errorf("%s: the key of the data is not wiped", v.Name)
			}
		}
	}
	if _, err := unlock(img, "/dev/sda", "wrong"); !errors.Is(err, unix.EBUSY) {
		t.Error("what is open:", err)
	}
	if _, err := unlock(img, "/dev/mapper/safe-sda", "right"); !errors.Is(err, ErrNotFound) {
		t.Error("what has nothing encrypted:", err)
	}
	img.Close()
	if wiped, err := unlock(img, "/dev/sdb", "right"); !errors.Is(err, os.ErrClosed) || !wiped {
		t.Error("a closed image:", err, wiped)
	}
}

// TestUnlockConcurrently opens devices while others are opened, and looked at again: no key
// is tried on another device, and none that is open is closed.
func TestUnlockConcurrently(t *testing.T) {
	for _, alone := range []bool{true, false} {
		var asked atomic.Int32
		img := withKinds(t, 4, []Option{Keys(func(d *Device, try int) (volume.Key, error) {
			asked.Add(1)
			return volume.Key{}, ErrNoKey
		})}, safe(alone, safeVolume))
		var wg sync.WaitGroup
		for _, disk := range []string{"a", "b", "c", "d"} {
			wg.Go(func() {
				if _, err := unlock(img, "/dev/sd"+disk, "right"); err != nil {
					t.Errorf("sd%s: %v", disk, err)
				}
			})
			wg.Go(func() {
				if err := img.Rescan(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		before := asked.Load()
		if before == 0 {
			t.Error("the image's own keys were not asked for")
		}
		if err := img.Rescan(); err != nil {
			t.Error(err)
		}
		if asked.Load() != before {
			t.Error("a key is asked for of what is open")
		}
		if n := len(img.Devices()); n != 8 {
			t.Errorf("%d devices: %v", n, img.Devices())
		}
	}
}

// TestKeysAskedOnce: a kind that is asked for all its volumes again when there is another
// member does not have the keys of the first asked for again.
func TestKeysAskedOnce(t *testing.T) {
	var log []string
	img := withKinds(t, 2, []Option{Keys(func(d *Device, try int) (volume.Key, error) {
		log = append(log, fmt.Sprint(d.Name, " ", try))
		return []volume.Key{{Secret: []byte("wrong")}, {Secret: []byte("right")}}[try], nil
	})}, safe(false, func(m *volume.Member) *volume.Volume {
		v := safeVolume(m)
		if m.Name == "/dev/sdb" {
			v.Problems = []string{"it waits until all has been found"}
		}
		return v
	}))
	if want := []string{"/dev/sda 0", "/dev/sda 1", "/dev/sdb 0", "/dev/sdb 1"}; !slices.Equal(log, want) {
		t.Errorf("asked: %q", log)
	}
	if len(img.Devices()) != 4 {
		t.Error(img.Devices())
	}
}

// TestOpenAtOnce: the first of two members is not done before the second was begun.
func TestOpenAtOnce(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one processor")
	}
	kind := safe(true, safeVolume)
	open := kind.Open
	var begun sync.WaitGroup
	begun.Add(2)
	kind.Open = func(ctx context.Context, members []*volume.Member, env *volume.Env) []*volume.Volume {
		if !strings.HasPrefix(members[0].Name, "/dev/mapper/") {
			begun.Done()
			begun.Wait()
		}
		return open(ctx, members, env)
	}
	img := withKinds(t, 2, []Option{Keys(func(d *Device, try int) (volume.Key, error) {
		if try > 0 {
			return volume.Key{}, ErrNoKey
		}
		return volume.Key{Secret: []byte("right")}, nil
	})}, kind)
	list := img.Devices()
	if len(list) != 4 || list[2].Name != "/dev/mapper/safe-sda" || list[3].Name != "/dev/mapper/safe-sdb" {
		t.Error(list)
	}
}
