package unboot

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReconcile(t *testing.T) {
	type table = map[int]extent
	for name, c := range map[string]struct {
		have, want table
		steps      []string
	}{
		"nothing":                {nil, nil, nil},
		"the same":               {table{1: {10, 5}, 3: {20, 5}}, table{1: {10, 5}, 3: {20, 5}}, nil},
		"all come":               {nil, table{2: {20, 5}, 1: {10, 5}}, []string{"add 1 10+5", "add 2 20+5"}},
		"all go":                 {table{1: {10, 5}, 2: {20, 5}}, nil, []string{"del 1 10+5", "del 2 20+5"}},
		"one beside what stays":  {table{1: {10, 5}}, table{1: {10, 5}, 2: {20, 5}}, []string{"add 2 20+5"}},
		"moved":                  {table{1: {10, 5}}, table{1: {11, 5}}, []string{"del 1 10+5", "add 1 11+5"}},
		"grown":                  {table{1: {10, 5}}, table{1: {10, 9}}, []string{"resize 1 10+9"}},
		"room before use":        {table{1: {10, 5}, 2: {20, 10}}, table{1: {10, 15}, 2: {30, 2}}, []string{"del 2 20+10", "resize 1 10+15", "add 2 30+2"}},
		"shrunk before one more": {table{1: {10, 20}}, table{1: {10, 5}, 2: {15, 5}}, []string{"resize 1 10+5", "add 2 15+5"}},
		"numbers changed":        {table{1: {10, 5}, 2: {20, 5}}, table{1: {20, 5}, 2: {10, 5}}, []string{"del 1 10+5", "del 2 20+5", "add 1 20+5", "add 2 10+5"}},
	} {
		var got []string
		for _, s := range reconcile(c.have, c.want) {
			op := map[int32]string{unix.BLKPG_ADD_PARTITION: "add", unix.BLKPG_DEL_PARTITION: "del", unix.BLKPG_RESIZE_PARTITION: "resize"}[s.op]
			got = append(got, fmt.Sprintf("%s %d %d+%d", op, s.number, s.start, s.size))
		}
		if !slices.Equal(got, c.steps) {
			t.Errorf("%s: %q, want %q", name, got, c.steps)
		}
	}
}

func TestMountSource(t *testing.T) {
	const text = "21 1 0:2 / / rw - rootfs none rw\n" +
		"22 21 8:1 / /mnt/1 rw,nodev master:1 - ext4 /dev/sda1 rw,x - y\n" +
		"23 22 8:2 /a\\040-\\040b /mnt/1/x\\040-\\040y rw - vfat /dev/sda2 rw\n" +
		"222 22 8:3 / /mnt/3 rw - btrfs\n\n24\n25 - \n"
	for id, want := range map[uint64]string{21: "none", 22: "/dev/sda1", 23: "/dev/sda2", 2: "", 222: "", 24: "", 25: "", 0: ""} {
		if got := mountSource([]byte(text), id); got != want {
			t.Errorf("%d: %q, want %q", id, got, want)
		}
	}
}
