package server

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/internal/testimg"
)

// TestNtfsChmod has ntfssecaudit(8) read the modes that it gives.
func TestNtfsChmod(t *testing.T) {
	testimg.Need(t, "mkfs.ntfs", "ntfssecaudit")
	needKernel(t)
	disk := image(t, 32)
	g := guest{t, connect(t, Drive{Path: disk})}
	g.do(rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ntfs", Device: "/dev/sda"})
	g.do(rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	g.do(rpc.ProcMkdirP, &rpc.MkdirPArgs{Path: "/dir/sub"})
	for _, file := range []string{"/file", "/dir/file", "/dir/sub/file"} {
		g.do(rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: file, Content: []byte("x")})
	}
	// Owner and group are one, of which ntfssecaudit takes the bits of the group for those of others.
	modes := map[string]string{"/file": "600", "/dir": "711", "/dir/file": "711", "/dir/sub": "711", "/dir/sub/file": "644"}
	g.do(rpc.ProcNtfsChmod, &rpc.NtfsChmodArgs{Mode: 0o640, Path: "/file"})
	g.do(rpc.ProcNtfsChmod, &rpc.NtfsChmodArgs{Mode: 0o751, Path: "/dir", Recursive: rpc.Some(true)})
	g.do(rpc.ProcNtfsChmod, &rpc.NtfsChmodArgs{Mode: 0o604, Path: "/dir/sub/file"})
	g.fails(rpc.ProcNtfsChmod, &rpc.NtfsChmodArgs{Mode: -1, Path: "/file"}, nil, "mode")
	g.fails(rpc.ProcNtfsChmod, &rpc.NtfsChmodArgs{Mode: 0o600, Path: "/nope"}, nil, "/nope: ")
	g.do(rpc.ProcUmountAll, &rpc.None{})
	g.do(rpc.ProcSync, &rpc.None{})
	audit, err := hosttool.Find("ntfssecaudit")
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range modes {
		out, err := exec.Command(audit, disk, strings.TrimPrefix(name, "/")).CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("mode 0"+mode)) && !bytes.Contains(out, []byte("mode "+mode)) {
			t.Errorf("%s: %v: %s, want mode %s", name, err, out, mode)
		}
	}
}

func FuzzSecurityOwners(f *testing.F) {
	f.Add(securityDescriptor(administrators, everyone, 0o754, true))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sd []byte) {
		owner, group := securityOwners(sd)
		again, same := securityOwners(securityDescriptor(owner, group, 0o640, false))
		if !bytes.Equal(owner, again) || !bytes.Equal(group, same) {
			t.Errorf("%x %x became %x %x", owner, group, again, same)
		}
	})
}
