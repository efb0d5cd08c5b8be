package mkfs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

func TestArgs(t *testing.T) {
	for _, test := range []struct {
		fstype string
		o      Options
		want   string // or the error
	}{
		{"ext4", Options{DeviceSector: 512}, "-F -q"},
		{"ext4", Options{DeviceSector: 4096}, "-F -q -b 4096"},
		{"ext2", Options{DeviceSector: 512, BlockSize: 1024, Features: "^resize_inode", InodeSize: 128, Label: "x"}, "-F -q -b 1024 -O ^resize_inode -I 128 -L x"},
		{"xfs", Options{DeviceSector: 512, BlockSize: 1024, InodeSize: 512, SectorSize: 4096}, "-f -q -b size=1024 -i size=512 -s size=4096"},
		{"vfat", Options{DeviceSector: 512, BlockSize: 4096, Start: 1 << 20, Label: "ESP"}, "-I -s 8 -n ESP -h 2048"},
		{"vfat", Options{DeviceSector: 4096}, "-I -S 4096"},
		{"ntfs", Options{DeviceSector: 512, Start: 1 << 20}, "-F -Q -q -p 2048 -H 255 -S 63"},
		{"odd", Options{DeviceSector: 512}, ""},
		{"ext4", Options{}, "sector size must be larger than zero"},
		{"ext4", Options{DeviceSector: 512, BlockSize: 3000}, "block size must be > 0 and a power of 2"},
		{"ext4", Options{DeviceSector: 512, InodeSize: -1}, "inode size must be larger than zero"},
		{"vfat", Options{DeviceSector: 4096, BlockSize: 512}, "block size 512 is less than a sector of 4096 bytes"},
		{"minix", Options{DeviceSector: 512, BlockSize: 1024}, "minix: the option blocksize is not one of file systems of this type"},
		{"xfs", Options{DeviceSector: 512, Features: "x"}, "xfs: the option features is not one of file systems of this type"},
		{"ext4", Options{DeviceSector: 512, SectorSize: 512}, "ext4: the option sectorsize is not one of file systems of this type"},
		{"odd", Options{DeviceSector: 512, Label: "x"}, "odd: the option label is not one of file systems of this type"},
	} {
		args, err := Args(test.fstype, test.o)
		got := strings.Join(args, " ")
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s %+v: %q, want %q", test.fstype, test.o, got, test.want)
		}
	}
	if _, err := Args("exfat", Options{DeviceSector: 4096}); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	var option *OptionError
	if _, err := Args("vfat", Options{DeviceSector: 512, InodeSize: 256}); !errors.As(err, &option) || option.Option != "inode" {
		t.Error(err)
	}
}

// TestPrograms has the programs of the host make file systems, of which blkid reads the
// label.
func TestPrograms(t *testing.T) {
	for fstype := range makers {
		program := "mkfs." + fstype
		if _, err := exec.LookPath(program); err != nil || makers[fstype].label == "" {
			continue
		}
		testimg.Need(t, "blkid")
		image := filepath.Join(t.TempDir(), fstype)
		if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 512<<20)); err != nil {
			t.Fatal(err)
		}
		args, err := Args(fstype, Options{DeviceSector: 512, Label: "LABEL", Start: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		testimg.MustRun(t, program, append(args, image)...)
		if got := strings.TrimSpace(testimg.MustRun(t, "blkid", "-c", "/dev/null", "-p", "-o", "value", "-s", "LABEL", image)); got != "LABEL" {
			t.Errorf("%s: label %q", fstype, got)
		}
		os.Remove(image)
	}
}
