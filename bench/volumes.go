package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
)

// benchVolumes: what volumes below a file system cost, from the start of the process to a
// listed directory. Beside each stands the same file system on a partition.
func benchVolumes(e *env) (rows []row, err error) {
	plain, err := e.image("plain.img", partitioned)
	if err != nil {
		return nil, err
	}
	// With as many disks: one more costs half a millisecond by itself.
	second, err := e.image("second.img", func(out string) error { return mke2fs(out, 16<<20) })
	if err != nil {
		return nil, err
	}
	onPartition := e.unbootDoes("ls", plain+":/", "--add", second, "-m", "/dev/sda1")
	for _, c := range []struct {
		what, fixture string
		args          []string
		more          time.Duration // the most that the volumes may cost
	}{
		{"on a logical volume", "lvm-linear", []string{"-m", "/dev/vg0/root"}, 3 * time.Millisecond},
		{"on LVM on LUKS on MD", "stack-md-luks-lvm", []string{"--key", "all:key:secret"}, 8*time.Millisecond + derivation()},
	} {
		disks, err := testvol.Build(c.fixture)
		if err != nil {
			return rows, err
		}
		args := append([]string{"ls", disks[0] + ":/"}, c.args...)
		for _, d := range disks[1:] {
			args = append(args, "--add", d)
		}
		for _, d := range disks {
			if err := preread(d); err != nil {
				return rows, err
			}
		}
		ours, theirs, err := e.pairs(40, e.unbootDoes(args...), onPartition)
		if err != nil {
			return rows, err
		}
		r := compare(fmt.Sprintf("`unboot ls IMAGE:/`, %s (%d disks)", c.what, len(disks)), ours, "the same on a partition", theirs,
			theirs.median()+c.more, 0, "strace -f -r unboot ls IMAGE:/")
		rows = append(rows, r)
	}
	return rows, nil
}

// derivation returns how long it takes here to derive the key of the fixture's key slot.
func derivation() time.Duration {
	least := time.Hour
	for range 5 {
		start := time.Now()
		argon2.IDKey([]byte("secret"), make([]byte, 32), 4, 1024, 1, 64)
		least = min(least, time.Since(start))
	}
	return least
}

// partitioned makes a disk of 48 MiB with a file system on its only partition.
func partitioned(out string) error {
	const start, size = 1 << 20, 46 << 20
	fs := filepath.Join(filepath.Dir(out), "plain.ext4")
	if err := mke2fs(fs, size); err != nil {
		return err
	}
	data, err := os.ReadFile(fs)
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(48 << 20); err != nil {
		return err
	}
	if _, err := testimg.Run("sh", "-c", `echo "label: gpt\n2048,94208,L" | sfdisk -q "$0"`, out); err != nil {
		return err
	}
	_, err = f.WriteAt(data, start)
	return err
}
