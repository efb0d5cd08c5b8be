package probe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// label with characters that have to be quoted or encoded somewhere.
const odd = "a b-ü"

// made are the images that Probe and blkid must agree on.
var made = []struct {
	name string
	make func(t *testing.T) string
}{
	{"ext2", fs("ext2", odd)},
	{"ext3", fs("ext3", "x")},
	{"ext4", fs("ext4", "")},
	{"ext4 label", fs("ext4", "sixteen chars it")},
	{"ext4 leading space", fs("ext4", " lead trail ")},
	{"ext4 no journal", fs("ext4", odd, "-O", "^has_journal")},
	{"ext4 64 KiB blocks", fs("ext4", "", "-b", "65536")},
	{"ext4 1 KiB blocks", fs("ext4", "", "-b", "1024")},
	{"ext4 no UUID", fs("ext4", "", "-U", "clear")},
	{"ext3 plus extents", fs("ext3", "", "-O", "extent")},
	{"ext2 revision 0", fs("ext2", "", "-r", "0")},
	{"ext2 small inodes", fs("ext2", "", "-O", "none")},
	{"jbd", tool(4<<20, "mke2fs", "-q", "-F", "-b", "1024", "-O", "journal_dev", "-L", "log")},
	{"xfs", fs("xfs", odd)},
	{"xfs v4", fs("xfs", "twelve chars", "-m", "crc=0")},
	{"xfs 4 KiB sectors", fs("xfs", "", "-s", "size=4096")},
	{"btrfs", fs("btrfs", "a long label: "+odd)},
	{"btrfs mixed", fs("btrfs", "", "--mixed")},
	{"f2fs", fs("f2fs", "日本 "+odd)},
	{"fat12", fs("fat12", "A B")},
	{"fat16", fs("fat16", "ELEVEN CHRS")},
	{"fat32", mlabel("ÜÄ Z")},
	{"fat32 no label", fs("fat32", "")},
	{"fat32 4 KiB sectors", tool(300<<20, "mkfs.vfat", "-F", "32", "-S", "4096", "-n", "BIG")},
	{"fat floppy", tool(1440<<10, "mkfs.vfat", "-n", "FLOPPY")},
	{"exfat", fs("exfat", odd)},
	{"exfat no label", fs("exfat", "")},
	{"ntfs", fs("ntfs", "日本 "+odd)},
	{"ntfs no label", fs("ntfs", "")},
	{"ntfs 64 KiB clusters", fs("ntfs", "c", "-c", "65536")},
	{"ntfs 4 KiB sectors", fs("ntfs", "s", "-s", "4096")},
	{"iso9660", tree("iso9660", "CD with a name")},
	{"iso9660 long", tree("iso9660", "this is a name of thirty-two  b.")},
	{"joliet", tree("joliet", "Mixed_CASE")},
	{"iso plain", genisoimage("-V", "PLAIN", "-R")},
	{"iso by xorriso", xorriso("-V", "XORRISO", "-J")},
	{"iso+udf bridge", genisoimage("-udf", "-V", "BRIDGE")},
	{"udf", fs("udf", odd)},
	{"udf wide", fs("udf", "日本")},
	{"udf 2 KiB", tool(16<<20, "mkudffs", "--blocksize=2048", "--label=cd", "--uuid=0123456789abcdef")},
	{"udf 4 KiB", tool(16<<20, "mkudffs", "--blocksize=4096", "--label=cd", "--uuid=0123456789abcdef")},
	{"udf 1.02", tool(16<<20, "mkudffs", "--blocksize=512", "--udfrev=1.02")},
	{"udf cd-rw", tool(64<<20, "mkudffs", "--media-type=cdrw", "--label=cd")},
	{"udf dvd-r", tool(16<<20, "mkudffs", "--media-type=dvdr", "--label=dvd")},
	{"squashfs", tree("squashfs", "")},
	{"erofs", tree("erofs", "")},
	{"cramfs", tree("cramfs", "name")},
	{"romfs", tree("romfs", "a b")},
	{"minix 3", fs("minix", "")},
	{"minix 1", tool(2<<20, "mkfs.minix", "-1")},
	{"minix 2", tool(2<<20, "mkfs.minix", "-2", "-n14")},
	{"jfs", fs("jfs", odd)},
	{"nilfs2", fs("nilfs2", odd)},
	{"nilfs2 second superblock", damaged("nilfs2", 1024, 1024)},
	{"hfs", fs("hfs", "Mac HD")},
	{"hfsplus", hfsPlusImage},
	{"apfs", apfsImage},
	{"zfs", zfsImage},
	{"bitlocker", bitlockerImage},
	{"bcachefs", bcachefsImage},
	{"reiserfs", fs("reiserfs", odd)},
	{"reiserfs 3.5", tool(48<<20, "mkfs.reiserfs", "-q", "-ff", "--format", "3.5")},
	{"ufs1", tree("ufs1", "")},
	{"ufs2", tree("ufs2", "")},
	{"ufs2 big-endian", makefsBE},
	{"swap", fs("swap", odd)},
	{"swap 64 KiB pages", tool(4<<20, "mkswap", "-p", "65536", "-L", "big")},
	{"swsuspend", patched("swap", 4096-10, "S1SUSPEND\x00")},
	{"luks1", luksFormat("luks1")},
	{"luks2", luksFormat("luks2", "--label", odd)},
	{"luks2 second header", luks2Damaged},
	{"lvm", lvm},
	{"lvm1", patched("", 0, "HM\x01\x00"+strings.Repeat("\x00", 40)+"abcdefghijklmnopqrstuvwxyz012345")},
	{"lvm1 of another version", patched("", 0, "HM\x03\x00"+strings.Repeat("\x00", 40)+"abcdefghijklmnopqrstuvwxyz012345")},
	{"exfs", patched("xfs", 0, "EXFS")},
	{"md 0.90", mdadm("0.90")},
	{"md 1.0", mdadm("1.0")},
	{"md 1.1", mdadm("1.1")},
	{"md 1.2", mdadm("1.2")},
	{"verity", verity},
	{"integrity", patched("", 0, "integrt\x00\x04\x0f")},
	{"bcache", tool(16<<20, "make-bcache", "-B")},
	{"isw", patched("", 16<<20-1024, "Intel Raid ISM Cfg Sig. 1.3.00\x00")},
	{"vmfs member", patched("", 1<<20, "\x0d\xd0\x01\xc0\x05\x00\x00\x00"+strings.Repeat("u", 200))},
	{"vmfs", patched("", 2<<20, "\x5e\xf1\xab\x2f\x04\x00\x00\x00\x3dsixteen-byte-id.\x00\x00\x00\x00label\x00")},
	{"snapshot", patched("", 0, "SnAp\x01\x00\x00\x00\x01\x00\x00\x00\x10\x00\x00\x00")},
	{"nothing", blank(16 << 20)},
	{"noise", patched("", 0, string(testimg.Pattern(1<<20, 3)))},
	{"mbr", sfdisk("label: dos\nstart=2048, type=83, bootable\n")},
	{"gpt", sfdisk("label: gpt\nstart=2048\n")},
	{"mbr with boot code", patched("mbr", 0, "\xeb\x63\x90")},
	{"ext2 over fat", extOverFAT},
}

// ahead is where Probe knows more than the blkid of some of today's systems.
var ahead = map[string]bool{
	"bitlocker": true, // no UUID
	"bcachefs":  true, // unknown before 2.39
}

func TestBlkid(t *testing.T) {
	testimg.Need(t, "blkid")
	for _, c := range made {
		t.Run(c.name, func(t *testing.T) {
			image := c.make(t)
			want, found := blkid(t, image)
			got := probeFile(t, image)
			if !found {
				if ahead[c.name] {
					return
				}
				// Nothing, or more than one type, about which blkid says nothing.
				if got.Type != "" && len(got.Others) == 0 {
					t.Errorf("found %+v, blkid nothing", got)
				}
				return
			}
			if ahead[c.name] {
				want["UUID"] = got.UUID
			}
			if got.Type != want["TYPE"] || string(got.Usage) != want["USAGE"] ||
				got.Label != want["LABEL"] || got.UUID != want["UUID"] ||
				got.UUIDSub != want["UUID_SUB"] || want["VERSION"] != "" && got.Version != want["VERSION"] {
				t.Errorf("got  %+v\nwant %v", got, want)
			}
			if bs := want["BLOCK_SIZE"]; bs != "" && bs != strconv.FormatInt(got.BlockSize, 10) {
				t.Errorf("block size %d, want %s", got.BlockSize, bs)
			}
		})
	}
}

// The size that a format claims is that of its device, but for what it cannot
// use of it.
func TestSize(t *testing.T) {
	for _, name := range testimg.Types() {
		t.Run(name, func(t *testing.T) {
			image := testimg.FS(t, name, testimg.Options{})
			st, err := os.Stat(image)
			if err != nil {
				t.Fatal(err)
			}
			info := probeFile(t, image)
			slack := int64(8 << 10)
			switch name {
			case "btrfs", "f2fs", "nilfs2", "hfs":
				slack = 64 << 10
			case "udf":
				slack = 150 << 10 // behind the partition are anchors
			case "iso9660", "joliet":
				slack = 300 << 10 // padding
			case "squashfs", "romfs":
				slack = 4 << 10
			}
			if info.Size > st.Size() || info.Size < st.Size()-slack {
				t.Errorf("%s claims %d bytes of %d", info.Type, info.Size, st.Size())
			}
		})
	}
}

// blkid returns what blkid -p finds, by blkid's names, which are those of its
// "udev" output without the prefix and the encoding.
func blkid(t *testing.T, image string) (map[string]string, bool) {
	t.Helper()
	path, err := testimg.Tool("blkid")
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(path, "-p", "-o", "udev", "-u", "filesystem,raid,crypto,other", image)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == 2 || exit.ExitCode() == 8) {
		return nil, false
	} else if err != nil {
		t.Fatal(err)
	}
	m := udevNames(string(out))
	return m, m["TYPE"] != ""
}

// udevNames returns what blkid's "udev" output says, by blkid's own names.
func udevNames(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		name = strings.TrimPrefix(name, "ID_FS_")
		value = decode(value)
		if enc, ok := strings.CutSuffix(name, "_ENC"); ok {
			m[enc] = value
		} else if m[name] == "" {
			m[name] = value
		}
	}
	return m
}

// decode undoes udev's \xNN.
func decode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func probeFile(t *testing.T, image string) *Info {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	info, err := Probe(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// fs is an empty file system by testimg.
func fs(fstype, label string, args ...string) func(*testing.T) string {
	return func(t *testing.T) string {
		return testimg.FS(t, fstype, testimg.Options{Label: label, Args: args})
	}
}

// tree is a file system that is made of files.
func tree(fstype, label string, args ...string) func(*testing.T) string {
	return func(t *testing.T) string {
		nodes := []testimg.Node{{Path: "file", Mode: 0o644, Size: 9000, Chunks: []testimg.Chunk{{Data: []byte("hello")}}}}
		return testimg.FS(t, fstype, testimg.Options{Label: label, Args: args, Tree: true, Nodes: nodes})
	}
}

// blank is a file of zeros.
func blank(size int64) func(*testing.T) string {
	return func(t *testing.T) string {
		image := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(image, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(image, size); err != nil {
			t.Fatal(err)
		}
		return image
	}
}

// tool is a file that a program was run on.
func tool(size int64, name string, args ...string) func(*testing.T) string {
	return func(t *testing.T) string {
		image := blank(size)(t)
		testimg.MustRun(t, name, append(args, image)...)
		return image
	}
}

func write(t *testing.T, image string, off int64, data string) {
	t.Helper()
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(data), off); err != nil {
		t.Fatal(err)
	}
}

// patched is an image with some bytes written over; of 16 MiB if fstype is "".
func patched(fstype string, off int64, data string) func(*testing.T) string {
	return func(t *testing.T) string {
		var image string
		switch fstype {
		case "":
			image = blank(16 << 20)(t)
		case "mbr":
			image = sfdisk("label: dos\nstart=2048, type=83, bootable\n")(t)
		default:
			image = testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{}))
		}
		write(t, image, off, data)
		return image
	}
}

// mlabel is a FAT image with a label in DOS's encoding.
func mlabel(name string) func(*testing.T) string {
	return func(t *testing.T) string {
		image := testimg.Writable(t, testimg.FS(t, "fat32", testimg.Options{}))
		testimg.MustRun(t, "mlabel", "-i", image, "::"+name)
		return image
	}
}

// damaged is an image with a piece zeroed.
func damaged(fstype string, off int64, n int) func(*testing.T) string {
	return patched(fstype, off, strings.Repeat("\x00", n))
}

func genisoimage(args ...string) func(*testing.T) string {
	return func(t *testing.T) string {
		image := blank(0)(t)
		testimg.MustRun(t, "genisoimage", append(args, "-quiet", "-o", image, "/etc/apt")...)
		return image
	}
}

func xorriso(args ...string) func(*testing.T) string {
	return func(t *testing.T) string {
		image := blank(0)(t)
		testimg.MustRun(t, "xorriso", append(append([]string{"-as", "mkisofs"}, args...), "-quiet", "-o", image, "/etc/apt")...)
		return image
	}
}

func makefsBE(t *testing.T) string {
	image := blank(0)(t)
	testimg.MustRun(t, "makefs", "-B", "be", "-t", "ffs", "-o", "version=2", "-s", "8m", image, "/etc/apt")
	return image
}

func luksFormat(version string, args ...string) func(*testing.T) string {
	return func(t *testing.T) string {
		image := blank(20 << 20)(t)
		key := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(key, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		testimg.MustRun(t, "cryptsetup", append(args, "-q", "luksFormat", "--type", version, "--pbkdf", "pbkdf2",
			"--pbkdf-force-iterations", "1000", "--use-urandom", image, key)...)
		return image
	}
}

func luks2Damaged(t *testing.T) string {
	image := luksFormat("luks2")(t)
	write(t, image, 0, strings.Repeat("\x00", 4096))
	return image
}

// lvm makes a physical volume of a file, which LVM takes for a device if told so.
func lvm(t *testing.T) string {
	testimg.NeedRoot(t)
	testimg.Need(t, "losetup", "pvcreate")
	image := blank(16 << 20)(t)
	loop := attach(t, image)
	testimg.MustRun(t, "pvcreate", "--config", "devices{use_devicesfile=0 filter=[\"a|^"+loop+"$|\",\"r|.*|\"]} global{use_lvmlockd=0 locking_type=0}",
		"-ff", "-y", loop)
	return image
}

// mdadm makes one half of a mirror. The array is not assembled: the host may not
// have the driver.
func mdadm(version string) func(*testing.T) string {
	return func(t *testing.T) string {
		return mdImage(t, version)
	}
}

func verity(t *testing.T) string {
	image, data := blank(1<<20)(t), blank(1<<20)(t)
	testimg.MustRun(t, "veritysetup", "format", data, image)
	return image
}

func sfdisk(script string) func(*testing.T) string {
	return func(t *testing.T) string {
		image := blank(16 << 20)(t)
		file := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
		testimg.MustRun(t, "sh", "-c", fmt.Sprintf("PATH=$PATH:/sbin:/usr/sbin sfdisk -q %s < %s", image, file))
		return image
	}
}

// attach makes a loop device of a file.
func attach(t *testing.T, image string) string {
	loop := strings.TrimSpace(testimg.MustRun(t, "losetup", "-f", "--show", image))
	t.Cleanup(func() { testimg.MustRun(t, "losetup", "-d", loop) })
	return loop
}

func extOverFAT(t *testing.T) string {
	image := testimg.Writable(t, testimg.FS(t, "fat16", testimg.Options{}))
	boot := make([]byte, 512)
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(boot, 0); err != nil {
		t.Fatal(err)
	}
	testimg.MustRun(t, "mke2fs", "-q", "-F", "-t", "ext2", image)
	write(t, image, 0, string(boot))
	return image
}

// readAll fills p from the start of a file, as far as it goes.
func readAll(t *testing.T, image string, p []byte) {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.ReadFull(f, p); err != nil && err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
}
