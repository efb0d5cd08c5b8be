package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testguest"
	"github.com/unboot/unboot/internal/testimg"
)

// stringsOf makes a call whose result is a list of strings.
func stringsOf(c *protocol.Client, proc uint32, a rpc.Args) (v []string, err error) {
	err = invoke(c, proc, a, func(x *xdr.Codec) { x.Strings(&v) })
	return v, err
}

// inspection is what all procedures say of a root, a line each.
func inspection(t *testing.T, c *protocol.Client, root string) string {
	t.Helper()
	a := &rpc.InspectGetTypeArgs{Root: root} // all have the root alone
	var b strings.Builder
	for _, proc := range []uint32{
		rpc.ProcInspectGetType, rpc.ProcInspectGetDistro, rpc.ProcInspectGetArch, rpc.ProcInspectGetProductName,
		rpc.ProcInspectGetProductVariant, rpc.ProcInspectGetPackageFormat, rpc.ProcInspectGetPackageManagement,
		rpc.ProcInspectGetHostname, rpc.ProcInspectGetFormat, rpc.ProcInspectGetBuildId,
	} {
		v, err := text(c, proc, a)
		if err != nil {
			t.Errorf("%s: %v", rpc.Lookup(proc).Name, err)
		}
		fmt.Fprintf(&b, "%s: %s\n", strings.TrimPrefix(rpc.Lookup(proc).Name, "inspect_get_"), v)
	}
	for _, proc := range []uint32{
		rpc.ProcInspectGetMajorVersion, rpc.ProcInspectGetMinorVersion,
		rpc.ProcInspectIsLive, rpc.ProcInspectIsNetinst, rpc.ProcInspectIsMultipart,
	} {
		v, err := number(c, proc, a)
		if err != nil {
			t.Errorf("%s: %v", rpc.Lookup(proc).Name, err)
		}
		fmt.Fprintf(&b, "%s: %d\n", strings.TrimPrefix(rpc.Lookup(proc).Name, "inspect_get_"), v)
	}
	for _, proc := range []uint32{rpc.ProcInspectGetMountpoints, rpc.ProcInspectGetDriveMappings} {
		v, err := hashtable(c, proc, a)
		if err != nil {
			t.Errorf("%s: %v", rpc.Lookup(proc).Name, err)
		}
		b.WriteString(v)
	}
	filesystems, err := stringsOf(c, rpc.ProcInspectGetFilesystems, a)
	if err != nil {
		t.Error(err)
	}
	slices.Sort(filesystems)
	fmt.Fprintf(&b, "filesystems: %s\n", strings.Join(filesystems, " "))
	return b.String()
}

// wantInspection inspects a drive that is there alone.
func wantInspection(t *testing.T, c *protocol.Client, root, want string) {
	t.Helper()
	roots, err := stringsOf(c, rpc.ProcInspectOs, &rpc.None{})
	if err != nil || !slices.Equal(roots, []string{root}) {
		t.Fatalf("roots %q, %v, want %s", roots, err, root)
	}
	if again := list(t, c, rpc.ProcInspectGetRoots); !slices.Equal(again, roots) {
		t.Errorf("roots %q, then %q", roots, again)
	}
	if got := inspection(t, c, root); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if m := list(t, c, rpc.ProcMounts); len(m) != 0 {
		t.Errorf("%q are mounted", m)
	}
}

const wantFedora = `type: linux
distro: fedora
arch: x86_64
product_name: Fedora Linux 39 (Cloud Edition)
product_variant: unknown
package_format: rpm
package_management: dnf
hostname: fedora-test
format: installed
build_id: unknown
major_version: 39
minor_version: 0
inspect_is_live: 0
inspect_is_netinst: 0
inspect_is_multipart: 0
/: btrfsvol:/dev/sda3/root
/boot: /dev/sda2
/home: btrfsvol:/dev/sda3/home
/boot/efi: /dev/sda1
filesystems: /dev/sda1 /dev/sda2 btrfsvol:/dev/sda3/home btrfsvol:/dev/sda3/root
`

func TestInspectFedora(t *testing.T) {
	needKernel(t)
	image := testguest.Fedora(t, testguest.RPMDatabase(t))
	testguest.Snapshot(t, image)
	const root = "btrfsvol:/dev/sda3/root"
	for name, d := range map[string]Drive{"writable": {Path: image}, "read-only": {Path: image, ReadOnly: true}} {
		t.Run(name, func(t *testing.T) {
			before := fileSum(t, image)
			c := connect(t, d)
			wantInspection(t, c, root, wantFedora) // the snapshot is no system of its own
			if fileSum(t, image) != before {
				t.Error("inspection has changed the image")
			}
			wantError(t, c, rpc.ProcInternalListRpmApplications, &rpc.None{}, "you must call 'mount' first to mount the root filesystem")
			wantOK(t, c, rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: root, Mountpoint: "/"})
			wantOK(t, c, rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: "btrfsvol:/dev/sda3/home", Mountpoint: "/home"})
			wantText(t, c, rpc.ProcReadlink, &rpc.ReadlinkArgs{Path: "/bin"}, "usr/bin")
			var apps []rpc.Application2
			err := invoke(c, rpc.ProcInternalListRpmApplications, &rpc.None{}, func(x *xdr.Codec) {
				apps = make([]rpc.Application2, x.Count(len(apps), 4))
				for i := range apps {
					apps[i].Code(x)
				}
			})
			if err != nil || len(apps) != 2 || apps[0].App2Name != "example" || apps[0].App2Epoch != 1 || apps[0].App2Release != "3.fc39" || apps[0].App2SourcePackage != "example" {
				t.Errorf("%+v, %v", apps, err)
			}
			// A second inspection begins with unmounting.
			wantInspection(t, c, root, wantFedora)
			wantError(t, c, rpc.ProcInspectGetType, &rpc.InspectGetTypeArgs{Root: "/dev/sda2"},
				"/dev/sda2: root device not found: only call this function with a root device previously returned by guestfs_inspect_os")
			wantError(t, c, rpc.ProcInspectGetWindowsSystemroot, &rpc.InspectGetWindowsSystemrootArgs{Root: root},
				"not a Windows guest, or systemroot could not be determined")
		})
	}
}

const wantWindows = `type: windows
distro: windows
arch: x86_64
product_name: Windows Server 2019 Standard
product_variant: Server
package_format: unknown
package_management: unknown
hostname: WIN-TEST
format: installed
build_id: 17763
major_version: 10
minor_version: 0
inspect_is_live: 0
inspect_is_netinst: 0
inspect_is_multipart: 0
/: /dev/sda2
C: /dev/sda2
filesystems: /dev/sda2
`

func TestInspectWindows(t *testing.T) {
	needKernel(t)
	image := testguest.Windows(t)
	before := fileSum(t, image)
	c := connect(t, Drive{Path: image})
	const root = "/dev/sda2"
	wantInspection(t, c, root, wantWindows)
	for proc, want := range map[uint32]string{
		rpc.ProcInspectGetWindowsSystemroot:        "/Windows",
		rpc.ProcInspectGetWindowsSoftwareHive:      "/Windows/System32/config/SOFTWARE",
		rpc.ProcInspectGetWindowsSystemHive:        "/Windows/System32/config/SYSTEM",
		rpc.ProcInspectGetWindowsCurrentControlSet: "ControlSet001",
	} {
		wantText(t, c, proc, &rpc.InspectGetTypeArgs{Root: root}, want)
	}
	wantNumber(t, c, rpc.ProcInspectGetWindowsGroupPolicy, &rpc.InspectGetWindowsGroupPolicyArgs{Root: root}, 0)
	if fileSum(t, image) != before {
		t.Error("inspection has changed the image")
	}
}

// TestInspectNothing has no drives, then drives without a system: one is empty, and one
// installs a system, which libguestfs takes no notice of.
func TestInspectNothing(t *testing.T) {
	needKernel(t)
	c := connect(t)
	if l, err := stringsOf(c, rpc.ProcInspectOs, &rpc.None{}); err != nil || len(l) != 0 {
		t.Errorf("%q, %v", l, err)
	}
	media := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	testguest.Fill(t, media, "/dev/sda", "", testguest.Files{".disk/info": `Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST 20240210-11:27` + "\n"})
	c = connect(t, Drive{Path: image(t, 8)}, Drive{Path: media})
	wantError(t, c, rpc.ProcInspectGetType, &rpc.InspectGetTypeArgs{Root: "/dev/sdb"}, "no inspection data: call guestfs_inspect_os first")
	if l, err := stringsOf(c, rpc.ProcInspectOs, &rpc.None{}); err != nil || len(l) != 0 {
		t.Errorf("%q, %v", l, err)
	}
	wantError(t, c, rpc.ProcInspectGetType, &rpc.InspectGetTypeArgs{Root: "/dev/sdb"}, "no inspection data: .*")
}

// TestInspectJournal has a disk whose newest state is in the journal only, as after a power
// cut. Inspection reads it, and leaves the disk and its journal alone.
func TestInspectJournal(t *testing.T) {
	needKernel(t)
	for fstype, option := range map[string]string{"ext4": "noload", "xfs": "norecovery"} {
		t.Run(fstype, func(t *testing.T) {
			image := testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{}))
			testguest.Fill(t, image, "/dev/sda", "", testguest.Files{"etc/hostname": "before\n", "etc/os-release": "ID=debian\nVERSION_ID=12\n"})
			img, err := unboot.Open(context.Background(), image, unboot.Writable())
			if err != nil {
				t.Fatal(err)
			}
			f, err := img.Mount("/dev/sda")
			if err == nil {
				err = errors.Join(f.Rename("etc/hostname", "etc/old"), f.WriteFile("etc/hostname", []byte("after\n"), 0o644))
			}
			h, oerr := f.OpenFile("etc/hostname", os.O_RDWR, 0)
			if err = errors.Join(err, oerr); err == nil {
				err = h.Sync()
			}
			if err != nil {
				t.Fatal(err)
			}
			img.Kernel().Kill()
			img.Close()
			if old := withoutJournal(t, image, option); old == "after" {
				t.Error("the file system is up to date without its journal")
			}
			before := fileSum(t, image)
			c := connect(t, Drive{Path: image})
			if l, err := stringsOf(c, rpc.ProcInspectOs, &rpc.None{}); err != nil || !slices.Equal(l, []string{"/dev/sda"}) {
				t.Errorf("%q, %v", l, err)
			}
			wantText(t, c, rpc.ProcInspectGetHostname, &rpc.InspectGetHostnameArgs{Root: "/dev/sda"}, "after")
			if fileSum(t, image) != before {
				t.Error("inspection has changed the image")
			}
		})
	}
}

// withoutJournal returns the name of the host that a file system has without its journal.
func withoutJournal(t *testing.T, image, option string) string {
	t.Helper()
	img, err := unboot.Open(context.Background(), image)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	f, err := img.Mount("/dev/sda", unboot.Data(option))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := f.ReadFile("etc/hostname")
	return strings.TrimSpace(string(b))
}

// TestInspectChanges inspects what was written through the same server, on a disk that
// keeps it and on one that forgets it.
func TestInspectChanges(t *testing.T) {
	needKernel(t)
	image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	for _, d := range []Drive{{Path: image, ReadOnly: true}, {Path: image}} {
		c := connect(t, d)
		if l, err := stringsOf(c, rpc.ProcInspectOs, &rpc.None{}); err != nil || len(l) != 0 {
			t.Errorf("%q, %v", l, err)
		}
		for _, name := range []string{"one", "two"} {
			wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
			wantOK(t, c, rpc.ProcMkdirP, &rpc.MkdirPArgs{Path: "/etc"})
			wantOK(t, c, rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: "/etc/os-release", Content: []byte("ID=debian\n")})
			wantOK(t, c, rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: "/etc/hostname", Content: []byte(name)})
			if l, err := stringsOf(c, rpc.ProcInspectOs, &rpc.None{}); err != nil || len(l) != 1 {
				t.Errorf("%q, %v", l, err)
			}
			wantText(t, c, rpc.ProcInspectGetHostname, &rpc.InspectGetHostnameArgs{Root: "/dev/sda"}, name)
		}
	}
}

// TestInspectLeavesNothing looks at what the kernels have mounted and open.
func TestInspectLeavesNothing(t *testing.T) {
	needKernel(t)
	image := testguest.Fedora(t, nil)
	s, err := New(Config{Drives: []Drive{{Path: image, ReadOnly: true}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	img, err := s.image()
	if err != nil {
		t.Fatal(err)
	}
	mounts := func() string { return string(must(img.Kernel().ReadFile("/proc/mounts", 1<<20))) }
	before := mounts()
	for range 20 {
		if roots, err := s.InspectOs(context.Background()); err != nil || len(roots) != 1 {
			t.Fatalf("%q, %v", roots, err)
		}
	}
	if after := mounts(); after != before {
		t.Errorf("mounted before:\n%safter:\n%s", before, after)
	}
}
