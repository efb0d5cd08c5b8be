package server

import (
	"os"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/testimg"
)

// A partition of a disk that is one half of a mirror is in no list of file systems, can be
// read, and cannot be mounted for writing.
func TestMember(t *testing.T) {
	needKernel(t)
	disk := image(t, 64)
	runSfdisk(t, disk, "label: dos\nstart=2048,size=65536,type=83\n")
	put(t, disk, testimg.FS(t, "ext4", testimg.Options{Size: 32 << 20}), 1)
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("Intel Raid ISM Cfg Sig. 1.3.00"), 64<<20-1024)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, Drive{Path: disk})
	if got, err := hashtable(c, rpc.ProcListFilesystems, &rpc.None{}); err != nil || got != "" {
		t.Errorf("list_filesystems: %v\n%s", err, got)
	}
	wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: "/dev/sda1"}, "isw_raid_member")
	wantError(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda1", Mountpoint: "/"}, `(?s).*can be mounted only for reading`)
	wantOK(t, c, rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: "/dev/sda1", Mountpoint: "/"})
	wantError(t, c, rpc.ProcTouch, &rpc.TouchArgs{Path: "/x"}, ".*: Read-only file system")
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	wantError(t, c, rpc.ProcMountVfs, &rpc.MountVfsArgs{Vfstype: "ext4", Mountable: "/dev/sda1", Mountpoint: "/"}, `(?s).*can be mounted only for reading`)
}
