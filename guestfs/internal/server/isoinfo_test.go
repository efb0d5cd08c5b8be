package server

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/internal/testimg"
)

// TestIsoinfo compares with the host's isoinfo.
func TestIsoinfo(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "genisoimage", "isoinfo", "mkfs.ext4")
	iso, fs := filepath.Join(t.TempDir(), "cd.iso"), image(t, 16)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	testimg.MustRun(t, "genisoimage", "-quiet", "-o", iso, "-V", "VOL ID", "-volset", "SET ID", "-P", "publisher", "-p", "preparer",
		"-A", "application", "-sysid", "SYSTEM", "-copyright", "file", dir)
	testimg.MustRun(t, "mkfs.ext4", "-q", "-F", fs)
	c := connect(t, Drive{Path: iso, ReadOnly: true}, Drive{Path: fs})
	var v rpc.Isoinfo
	if err := invoke(c, rpc.ProcIsoinfoDevice, &rpc.IsoinfoDeviceArgs{Device: "/dev/sda"}, v.Code); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("isoinfo", "-d", "-i", iso).Output()
	if err != nil {
		t.Fatal(err)
	}
	for key, got := range map[string]string{
		"System id": v.IsoSystemId, "Volume id": v.IsoVolumeId, "Volume set id": v.IsoVolumeSetId, "Publisher id": v.IsoPublisherId,
		"Data preparer id": v.IsoDataPreparerId, "Application id": v.IsoApplicationId, "Copyright File id": v.IsoCopyrightFileId,
		"Abstract File id": v.IsoAbstractFileId, "Bibliographic File id": v.IsoBibliographicFileId,
	} {
		m := regexp.MustCompile(`(?m)^` + key + `: ?(.*)$`).FindSubmatch(out)
		if m == nil || strings.TrimSpace(string(m[1])) != got {
			t.Errorf("%s: %q, isoinfo says %q", key, got, m)
		}
	}
	st, err := os.Stat(iso)
	if err != nil {
		t.Fatal(err)
	}
	if int64(v.IsoVolumeSpaceSize)*2048 != st.Size() || v.IsoLogicalBlockSize != 2048 || v.IsoVolumeSetSize != 1 || v.IsoVolumeSequenceNumber != 1 {
		t.Errorf("%+v", v)
	}
	if d := time.Since(time.Unix(v.IsoVolumeCreationT, 0)).Abs(); d > time.Hour || v.IsoVolumeModificationT != v.IsoVolumeCreationT || v.IsoVolumeExpirationT != -1 {
		t.Errorf("made %s ago; %+v", d, v)
	}
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sdb", Mountpoint: "/"})
	wantOK(t, c, rpc.ProcCopyDeviceToFile, &rpc.CopyDeviceToFileArgs{Src: "/dev/sda", Dest: "/cd.iso"})
	var inside rpc.Isoinfo
	if err := invoke(c, rpc.ProcIsoinfo, &rpc.IsoinfoArgs{Isofile: "/cd.iso"}, inside.Code); err != nil || inside != v {
		t.Errorf("of the file: %+v, %v", inside, err)
	}
	wantError(t, c, rpc.ProcIsoinfoDevice, &rpc.IsoinfoDeviceArgs{Device: "/dev/sdb"}, "/dev/sdb: not an ISO file or CD-ROM")
	wantOK(t, c, rpc.ProcTouch, &rpc.TouchArgs{Path: "/empty"})
	wantError(t, c, rpc.ProcIsoinfo, &rpc.IsoinfoArgs{Isofile: "/empty"}, "/empty: not an ISO file or CD-ROM")
}

func TestKernelInfo(t *testing.T) {
	needKernel(t)
	c := connect(t, Drive{Path: image(t, 1)})
	for name, want := range map[string]int64{"ext3": 1, "xfs": 1, "btrfs": 1, "ntfs3": 1, "proc": 1, "zfs": 0, "": 0, "nodev": 0} {
		wantNumber(t, c, rpc.ProcFilesystemAvailable, &rpc.FilesystemAvailableArgs{Filesystem: name}, want)
	}
	var u rpc.Utsname
	if err := invoke(c, rpc.ProcUtsname, &rpc.None{}, u.Code); err != nil || u.UtsSysname != "Linux" || !strings.HasPrefix(u.UtsRelease, "6.") || u.UtsVersion == "" {
		t.Errorf("%+v, %v", u, err)
	}
	if runtime.GOARCH == "amd64" && u.UtsMachine != "x86_64" {
		t.Errorf("machine %s", u.UtsMachine)
	}
	for group, want := range map[string]int{"linuxfsuuid": 0, "selinux": 1, "scrub": 0, "fstrim": 0, "blkdiscard": 0, "lvm2": 0, "luks": 0, "ldm": 0} {
		var got int
		err := invoke(c, rpc.ProcInternalFeatureAvailable, &rpc.InternalFeatureAvailableArgs{Group: group}, func(x *xdr.Codec) { x.Int(&got) })
		if err != nil || got != want {
			t.Errorf("group %s: %d, %v, want %d", group, got, err, want)
		}
	}
}

// TestGroupTools finds that a group without its programs is not available.
func TestGroupTools(t *testing.T) {
	s := &Server{procedures: procedures()}
	available := func(group string) int {
		v, err := s.InternalFeatureAvailable(t.Context(), &rpc.InternalFeatureAvailableArgs{Group: group})
		if err != nil {
			t.Error(err)
		}
		return v
	}
	testimg.Need(t, "xfs_admin", "xfs_repair", "btrfs", "btrfstune", "btrfs-image", "ntfsresize", "ntfsclone", "zerofree", "wipefs", "resize.f2fs")
	for group, tools := range groupTools {
		want := groupAvailable
		for _, tool := range tools {
			if _, err := exec.LookPath(tool); err != nil {
				want = groupNotAvailable // not installed here
			}
		}
		if available(group) != want {
			t.Errorf("%s: available is not %d", group, want)
		}
	}
	old := hosttool.SearchPath
	defer func() { hosttool.SearchPath = old }()
	hosttool.SearchPath = nil
	t.Setenv("PATH", t.TempDir())
	for group := range groupTools {
		if available(group) != groupNotAvailable {
			t.Errorf("%s is available without programs", group)
		}
	}
}
