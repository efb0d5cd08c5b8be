package port

import (
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

// ioctls of linux/raid/md_u.h
const (
	addNewDisk   = 0x40140921
	setArrayInfo = 0x40480923
	runArray     = 0x400c0930
)

func ints(values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// A machine that halts leaves its arrays marked as clean, and does not sleep for a second
// after that.
func TestHaltWithArray(t *testing.T) {
	const size = 4 << 20
	var mu sync.Mutex
	var lines []string
	// Where the clock stands, nothing but a sleep takes time.
	m := newMachine(t, &lkl.Config{Clock: time.Unix(1e9, 0), Cmdline: "printk.time=1 loglevel=7", Log: func(l string) {
		mu.Lock()
		lines = append(lines, l)
		mu.Unlock()
	}})
	var images []string
	var numbers [2][2]uint32
	for i := range numbers {
		images = append(images, image(t, make([]byte, size)))
		fmt.Sscanf(m.disk(images[i]), "%d:%d", &numbers[i][0], &numbers[i][1])
	}
	fd, err := m.k.Open("/sys/module/md_mod/parameters/new_array", unix.O_WRONLY, 0)
	rig.Check(t, "opening new_array", err)
	_, err = m.k.Write(fd, []byte("md0"))
	rig.Check(t, "making md0", err)
	fd, err = m.k.Open("/dev/md0", unix.O_RDWR, 0)
	rig.Check(t, "opening md0", err)
	// version 0.90, level 1, of 3 MiB, two disks, clean
	_, err = m.k.Ioctl(fd, setArrayInfo, ints(0, 90, 0, 0, 1, 3<<10, 2, 2, 0, 0, 0, 1, 2, 2, 0, 0, 0, 0))
	rig.Check(t, "setting what the array is", err)
	for i, n := range numbers {
		_, err = m.k.Ioctl(fd, addNewDisk, ints(uint32(i), n[0], n[1], uint32(i), 6)) // active and in sync
		rig.Check(t, "adding a disk", err)
	}
	_, err = m.k.Ioctl(fd, runArray, ints(0, 0, 0))
	rig.Check(t, "running the array", err)
	_, err = m.k.Pwrite(fd, noise(1<<20, 1), 0)
	rig.Check(t, "writing", err)
	rig.Check(t, "fsync", m.k.Fsync(fd))
	before, err := m.k.ReadFile("/proc/uptime", 100)
	rig.Check(t, "reading the uptime", err)
	rig.Check(t, "closing", m.k.Close())

	for _, path := range images {
		b, err := os.ReadFile(path)
		rig.Check(t, "reading", err)
		// The superblock is in the last 64 KiB; its word 33 is the state.
		sb := b[size-64<<10:]
		if magic, state := binary.LittleEndian.Uint32(sb), binary.LittleEndian.Uint32(sb[33*4:]); magic != 0xa92b4efc || state&1 == 0 {
			t.Errorf("magic %#x, state %#x: not clean", magic, state)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	stamp := regexp.MustCompile(`^\[ *([0-9.]+)\] .*Power down`)
	for _, l := range lines {
		if at := stamp.FindStringSubmatch(l); at != nil {
			down, _ := strconv.ParseFloat(at[1], 64)
			up, _ := strconv.ParseFloat(strings.Fields(string(before))[0], 64)
			if down-up > 0.9 {
				t.Errorf("the machine halted %v seconds after it was asked to", down-up)
			}
			return
		}
	}
	t.Errorf("no power down in the log: %q", lines)
}
