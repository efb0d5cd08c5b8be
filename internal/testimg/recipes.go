package testimg

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

const mib = 1 << 20

// recipes are the file system types that can be made, by name.
var recipes = map[string]recipe{
	"ext2":     {tools: []string{"mke2fs"}, size: 48 * mib, label: "-L", holds: everything, make: ext("ext2")},
	"ext3":     {tools: []string{"mke2fs"}, size: 48 * mib, label: "-L", holds: everything, make: ext("ext3")},
	"ext4":     {tools: []string{"mke2fs"}, size: 48 * mib, label: "-L", holds: everything, make: ext("ext4")},
	"xfs":      {tools: []string{"mkfs.xfs"}, size: 320 * mib, label: "-L", holds: protofile, make: makeXFS},
	"btrfs":    {tools: []string{"mkfs.btrfs"}, size: 160 * mib, label: "-L", holds: btrfsRootdir, make: makeBtrfs},
	"f2fs":     {tools: []string{"mkfs.f2fs", "sload.f2fs"}, size: 96 * mib, label: "-l", holds: sload, make: makeF2FS},
	"vfat":     {tools: []string{"mkfs.vfat", "mcopy"}, size: 64 * mib, label: "-n", holds: fatNames, make: makeFAT("32")},
	"fat32":    {tools: []string{"mkfs.vfat", "mcopy"}, size: 64 * mib, label: "-n", holds: fatNames, make: makeFAT("32")},
	"fat16":    {tools: []string{"mkfs.vfat", "mcopy"}, size: 24 * mib, label: "-n", holds: fatNames, make: makeFAT("16")},
	"fat12":    {tools: []string{"mkfs.vfat", "mcopy"}, size: 7 * mib, label: "-n", holds: fatSmall, make: makeFAT("12")},
	"exfat":    {tools: []string{"mkfs.exfat"}, size: 16 * mib, label: "-L", make: simple("mkfs.exfat")},
	"ntfs":     {tools: []string{"mkfs.ntfs"}, size: 16 * mib, label: "-L", make: simple("mkfs.ntfs", "-F", "-q", "-Q")},
	"iso9660":  {tools: []string{"genisoimage"}, label: "-V", holds: rockRidge, make: makeISO("-R", "-J", "-joliet-long")},
	"joliet":   {tools: []string{"genisoimage"}, label: "-V", holds: joliet, make: makeISO("-J", "-joliet-long")},
	"udf":      {tools: []string{"mkudffs"}, size: 16 * mib, label: "--label=", make: makeUDF},
	"squashfs": {tools: []string{"mksquashfs"}, holds: everything, make: makeSquash},
	"erofs":    {tools: []string{"mkfs.erofs"}, holds: shorterNames, make: makeEROFS},
	"cramfs":   {tools: []string{"mkfs.cramfs"}, label: "-n", holds: cram, make: makeCramfs},
	"romfs":    {tools: []string{"genromfs"}, label: "-V", holds: rom, make: makeROMFS},
	"minix":    {tools: []string{"mkfs.minix"}, size: 16 * mib, make: simple("mkfs.minix", "-3")},
	"jfs":      {tools: []string{"mkfs.jfs"}, size: 32 * mib, label: "-L", make: simple("mkfs.jfs", "-q")},
	"nilfs2":   {tools: []string{"mkfs.nilfs2"}, size: 160 * mib, label: "-L", make: simple("mkfs.nilfs2", "-q")},
	"hfs":      {tools: []string{"hformat"}, size: 16 * mib, label: "-l", make: simple("hformat")},
	"hfsplus":  {tools: []string{"xorriso"}, holds: hfsPlus, make: makeHFSPlus},
	"reiserfs": {tools: []string{"mkfs.reiserfs"}, size: 48 * mib, label: "-l", make: simple("mkfs.reiserfs", "-q", "-ff", "-u", uuid)},
	"ufs1":     {tools: []string{"makefs"}, holds: ufs, make: makeUFS("version=1")},
	"ufs2":     {tools: []string{"makefs"}, holds: ufs, make: makeUFS("version=2")},
	"swap":     {tools: []string{"mkswap"}, size: 2 * mib, label: "-L", make: simple("mkswap", "-U", uuid)},
}

// simple is the recipe of a program that takes options and the file.
func simple(name string, options ...string) func(*job) error {
	return func(j *job) error { return j.run(name, options, j.out) }
}

func ext(version string) func(*job) error {
	return func(j *job) error {
		options := []string{"-q", "-F", "-t", version, "-U", uuid, "-E", "hash_seed=" + uuid + ",root_owner=0:0"}
		if j.dir != "" {
			options = append(options, "-d", j.dir)
		}
		return j.run("mke2fs", options, j.out)
	}
}

func makeXFS(j *job) error {
	options := []string{"-q", "-f", "-m", "uuid=" + uuid}
	if j.dir != "" {
		proto := filepath.Join(filepath.Dir(j.dir), "proto")
		if err := os.WriteFile(proto, xfsProto(j.dir, j.tree), 0o644); err != nil {
			return err
		}
		options = append(options, "-p", proto)
	}
	return j.run("mkfs.xfs", options, j.out)
}

// mkfs.btrfs refuses a UUID that a block device of the host has, such as a loop
// device of another test: each image has its own.
func makeBtrfs(j *job) error {
	sum := sha256.Sum256([]byte(filepath.Base(j.out)))
	options := []string{"-q", "-f", "-U", uuid[:24] + hex.EncodeToString(sum[:6])}
	if j.dir != "" {
		options = append(options, "--rootdir", j.dir)
	}
	return j.run("mkfs.btrfs", options, j.out)
}

func makeF2FS(j *job) error {
	if err := j.run("mkfs.f2fs", []string{"-q", "-f", "-U", uuid, "-O", "extra_attr,inode_checksum,sb_checksum"}, j.out); err != nil {
		return err
	}
	if j.dir == "" {
		return nil
	}
	_, err := Run("sload.f2fs", "-P", "-f", j.dir, j.out)
	return err
}

func makeFAT(bits string) func(*job) error {
	return func(j *job) error {
		options := []string{"-F", bits, "--invariant", "-i", "c0ffee01"}
		if bits == "32" {
			options = append(options, "-s", "1") // enough clusters for a small FAT32
		}
		if err := j.run("mkfs.vfat", options, j.out); err != nil || j.dir == "" {
			return err
		}
		args := []string{"-i", j.out, "-s", "-m", "-Q"}
		entries, err := os.ReadDir(j.dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			args = append(args, filepath.Join(j.dir, e.Name()))
		}
		_, err = Run("mcopy", append(args, "::/")...)
		return err
	}
}

func makeISO(options ...string) func(*job) error {
	return func(j *job) error {
		// Older than ISO level 4 the plain names are cut; the extensions keep them.
		return j.run("genisoimage", append([]string{"-quiet", "-iso-level", "3", "-cache-inodes"}, options...), "-o", j.out, j.dir)
	}
}

func makeUDF(j *job) error {
	return j.run("mkudffs", []string{"--blocksize=512", "--uuid=c0ffee0012345678"}, j.out)
}

func makeSquash(j *job) error {
	return j.run("mksquashfs", []string{j.dir, j.out, "-noappend", "-no-progress", "-quiet",
		"-mkfs-time", strconv.FormatInt(epoch.Unix(), 10)})
}

func makeEROFS(j *job) error {
	if err := blank(j.out, 0); err != nil { // it looks before it makes the file
		return err
	}
	return j.run("mkfs.erofs", []string{"-U", uuid, "--preserve-mtime", "--quiet"}, j.out, j.dir)
}

func makeCramfs(j *job) error { return j.run("mkfs.cramfs", nil, j.dir, j.out) }

func makeROMFS(j *job) error { return j.run("genromfs", []string{"-d", j.dir, "-f", j.out}) }

func makeUFS(version string) func(*job) error {
	return func(j *job) error {
		size := j.opts.Size
		if size == 0 {
			size = 32 * mib
		}
		return j.run("makefs", []string{"-t", "ffs", "-o", version, "-s", strconv.FormatInt(size, 10)}, j.out, j.dir)
	}
}

// makeHFSPlus takes the volume out of a CD image that is one for a Mac, too: there is
// no mkfs.hfsplus in Debian.
func makeHFSPlus(j *job) error {
	iso := j.out + ".iso"
	defer os.Remove(iso)
	// The name of the volume has it write one that holds no file, too.
	if _, err := Run("xorriso", "-as", "mkisofs", "-quiet", "-V", "UNBOOT", "-hfsplus", "-hfsplus-block-size", "2048", "-o", iso, j.dir); err != nil {
		return err
	}
	data, err := os.ReadFile(iso)
	if err != nil {
		return err
	}
	// The volume header is the third sector, and its copy the last but one.
	const sector = 512
	var headers []int
	for at := 0; at+sector <= len(data); at += sector {
		if string(data[at:at+4]) == "H+\x00\x04" {
			headers = append(headers, at)
		}
	}
	if len(headers) < 2 {
		return errors.New("no volume of HFS+ in the CD image")
	}
	return os.WriteFile(j.out, data[headers[0]-2*sector:headers[len(headers)-1]+2*sector], 0o644)
}
