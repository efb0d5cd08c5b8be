package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
)

// cryptsetupImages unpacks an archive of cryptsetup's tests.
func cryptsetupImages(t *testing.T, archive string) string {
	t.Helper()
	testimg.Need(t, "tar", "xz")
	dir := t.TempDir()
	testimg.MustRun(t, "tar", "-xf", testimg.Source(t, "cryptsetup"), "-C", dir, "--strip-components=2", "--wildcards", "*/tests/"+archive+".tar.xz")
	testimg.MustRun(t, "tar", "-xf", filepath.Join(dir, archive+".tar.xz"), "-C", dir)
	return filepath.Join(dir, archive)
}

// TestBitLocker opens one of cryptsetup's images by its password and by its recovery password.
func TestBitLocker(t *testing.T) {
	needKernel(t)
	dir := cryptsetupImages(t, "bitlk-images")
	conf, err := os.ReadFile(dir + "/images.conf")
	if err != nil {
		t.Fatal(err)
	}
	for section := range strings.SplitSeq(string(conf), "[") {
		field := map[string]string{}
		for line := range strings.Lines(section) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			field[key] = value
		}
		if field["PW"] == "" || field["RP"] == "" || field["UUID"] == "" {
			continue
		}
		name, _, _ := strings.Cut(section, "]")
		c := connect(t, Drive{Path: filepath.Join(dir, name+".img"), ReadOnly: true})
		wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: "/dev/sda"}, "BitLocker")
		wantError(t, c, rpc.ProcCryptsetupOpen, &rpc.CryptsetupOpenArgs{Device: "/dev/sda", Key: "none", Mapname: "m"}, "cryptsetup exited with status 2: .*")
		for _, key := range []string{field["PW"], field["RP"]} {
			wantOK(t, c, rpc.ProcCryptsetupOpen, &rpc.CryptsetupOpenArgs{Device: "/dev/sda", Key: key, Mapname: "m"})
			wantText(t, c, rpc.ProcVfsUuid, &rpc.VfsUuidArgs{Mountable: "/dev/mapper/m"}, field["UUID"])
			wantOK(t, c, rpc.ProcCryptsetupClose, &rpc.CryptsetupCloseArgs{Device: "/dev/mapper/m"})
		}
		return
	}
	t.Error("no image has a password and a recovery password")
}

// TestCryptTypes opens what has no signature, by the type that the client gives.
func TestCryptTypes(t *testing.T) {
	needKernel(t)
	images, err := filepath.Glob(cryptsetupImages(t, "tcrypt-images") + "/tc_*-sha512-xts-aes")
	if err != nil || len(images) == 0 {
		t.Fatal(images, err)
	}
	c := connect(t, Drive{Path: images[0], ReadOnly: true}, Drive{Path: testvol.Unpack(t, "crypt-plain")[1], Format: "raw", ReadOnly: true})
	open := func(device, key, kind string) *rpc.CryptsetupOpenArgs {
		return &rpc.CryptsetupOpenArgs{Device: device, Key: key, Mapname: kind, Crypttype: rpc.Some(kind)}
	}
	wantError(t, c, rpc.ProcCryptsetupOpen, &rpc.CryptsetupOpenArgs{Device: "/dev/sda", Key: "x", Mapname: "m"}, ": unknown encrypted device type")
	wantOK(t, c, rpc.ProcCryptsetupOpen, open("/dev/sda", "aaaaaaaaaaaa", "tcrypt"))
	wantText(t, c, rpc.ProcVfsUuid, &rpc.VfsUuidArgs{Mountable: "/dev/mapper/tcrypt"}, "DEAD-BABE")
	wantOK(t, c, rpc.ProcLvmScan, &rpc.LvmScanArgs{Activate: true})
	if got, err := hashtable(c, rpc.ProcListFilesystems, &rpc.None{}); err != nil || !strings.Contains(got, "/dev/mapper/tcrypt: vfat\n") {
		t.Errorf("list_filesystems: %v\n%s", err, got)
	}
	wantOK(t, c, rpc.ProcCryptsetupClose, &rpc.CryptsetupCloseArgs{Device: "/dev/mapper/tcrypt"})

	wantError(t, c, rpc.ProcCryptsetupOpen, open("/dev/sdb", "short", "plain"), "cryptsetup exited with status 1: .*")
	wantOK(t, c, rpc.ProcCryptsetupOpen, open("/dev/sdb", strings.Repeat("k", 40), "plain"))
	wantNumber(t, c, rpc.ProcBlockdevGetsize64, &rpc.BlockdevGetsize64Args{Device: "/dev/mapper/plain"}, 2<<20)
}
