package unboot

import (
	"fmt"
	"time"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// An Option of [Open]. Options are values that can be kept and used again.
type Option func(*config)

// DefaultOverlayLimit is how many bytes the overlay of a read-only image may
// take in memory.
const DefaultOverlayLimit = 256 << 20

// config is what the options of Open add up to.
type config struct {
	disks        []diskSource
	writable     bool
	noLock       bool
	sectorSize   int
	memory       int64
	programs     int64
	network      Network
	clock        time.Time
	overlayDir   string
	overlayLimit int64
	log          func(string)
	allow        func(disk.Reference) error
	keys         []keySource
	unbounded    bool
	dirty        bool
	hashOffsets  map[string]int64
	cacheDir     string
	cacheSize    int64
	sources      *source.Registry
}

// A diskSource is a disk before it is opened: a host path or a device.
type diskSource struct {
	path string
	dev  disk.Device

	// Options that concern this disk alone.
	scratch           bool
	anyFormat         bool
	snapshot          string
	logical, physical int
}

// Writable opens all disks for reading and writing. Each is locked against
// other writers until the image is closed, unless [NoLock] is given.
func Writable() Option {
	return func(c *config) { c.writable = true }
}

// AddDisk attaches one more disk, from the host path of an image or a block
// device. Disks are numbered in the order of the options, after the one that
// Open is called with.
func AddDisk(path string, opts ...DiskOption) Option {
	return func(c *config) { c.disks = append(c.disks, newSource(diskSource{path: path}, opts)) }
}

// AddDevice attaches one more disk, which is served by the program itself. If it is a
// [disk.HostFile], the kernel process reads and writes the file without asking the
// program. name is what messages call it. Close does not close it.
func AddDevice(name string, dev disk.Device, opts ...DiskOption) Option {
	return func(c *config) { c.disks = append(c.disks, newSource(diskSource{path: name, dev: dev}, opts)) }
}

// A DiskOption of [AddDisk] and [AddDevice] is about that disk alone.
type DiskOption func(*diskSource)

func newSource(s diskSource, opts []DiskOption) diskSource {
	for _, o := range opts {
		o(&s)
	}
	return s
}

// Scratch makes what is written to the disk go to a throw-away overlay (see
// [Overlay]): with [Writable], file systems on it can be mounted for writing and
// changed, but the image or device is only read, and not locked. What was written
// is gone when the image is closed.
func Scratch() DiskOption {
	return func(s *diskSource) { s.scratch = true }
}

// Snapshot opens the disk as it was in a snapshot that the image keeps itself, as those in
// qcow2 format can, by its name or, if none has that name, its ID. The disk can only be read:
// with [Writable], it has to be a [Scratch] one.
func Snapshot(name string) DiskOption {
	return func(s *diskSource) { s.snapshot = name }
}

// AnyFormat takes the disk for a raw one even if it looks like an image in another
// format.
func AnyFormat() DiskOption {
	return func(s *diskSource) { s.anyFormat = true }
}

// BlockSizes sets the sizes in bytes of the disk's logical and physical blocks, in place
// of what [SectorSize] says: 512, 1024, 2048 or 4096, or 0 for the default. A block
// device of the host has its own.
func BlockSizes(logical, physical int) DiskOption {
	return func(s *diskSource) { s.logical, s.physical = logical, physical }
}

// BackingFiles says which files of the host an image may name as its backing file or data
// file: those for whose path allow returns nil. By default there are none, and an image
// that needs one is refused with a *[disk.NotAllowedError]: it is not the
// caller, but who made the image, that chose these names. A data file of an image that is
// opened for writing, which is written to as well, must also lie in the directory of the
// image or below it.
func BackingFiles(allow func(path string) error) Option {
	return func(c *config) {
		c.allow = func(r disk.Reference) error {
			if r.Writable && !source.InDirectory(r) {
				return fmt.Errorf("the %s %q is not in the directory of the image: it is not written to", r.Role, r.Name)
			}
			return allow(r.Path)
		}
	}
}

// CacheDir names a folder of the host in which blocks of images elsewhere are kept, so that
// they need not be fetched again: for the same URL and the same version of what is there. It
// is made if it is not there, and takes as much of the host's disk as [CacheSize] says. By default blocks are kept in memory
// while the image is open.
func CacheDir(dir string) Option {
	return func(c *config) { c.cacheDir = dir }
}

// DefaultCacheSize is the default of [CacheSize], in bytes.
const DefaultCacheSize = 10 << 30

// CacheSize bounds what the folder of [CacheDir] takes of the host's disk, in bytes. What was not
// used for the longest time makes room for what is new. By default, and for 0, it is
// [DefaultCacheSize].
func CacheSize(bytes int64) Option {
	return func(c *config) { c.cacheSize = bytes }
}

// Sources says by which formats and transports disks are opened by their names. By default they
// are those of [source.Known], which need no modules that are large. Package disk/remote has
// more, such as ssh://.
func Sources(r *source.Registry) Option {
	return func(c *config) { c.sources = r }
}

// SectorSize sets the size of a logical block of all disks that are image
// files, in bytes: 512, 1024, 2048 or 4096. By default it is found out from
// the partition table, and is 512 if there is none. A block device has its
// own.
func SectorSize(n int) Option {
	return func(c *config) { c.sectorSize = n }
}

// Memory bounds the kernel's memory, in bytes, which it takes as it needs it.
// By default it is [github.com/unboot/unboot/lkl.DefaultMemory], or
// [WritableMemory] if the image is opened for writing: what waits to be written
// is in it. Very large file systems that hold many files in use may want more.
func Memory(bytes int64) Option {
	return func(c *config) { c.memory = bytes }
}

// WritableMemory is the default of [Memory] for writing, in bytes.
const WritableMemory = 512 << 20

// kernelMemory is what Memory says, or the default.
func (c *config) kernelMemory() int64 {
	if c.memory == 0 && c.writable {
		return WritableMemory
	}
	return c.memory
}

// ProgramMemory bounds the memory of all commands of the image together (see [FS.Command]), in
// bytes: by default, and for 0, [DefaultProgramMemory]. What they do not use the host does not
// give. A negative number is for an image in which no command can be run.
func ProgramMemory(bytes int64) Option {
	return func(c *config) { c.programs = bytes }
}

// DefaultProgramMemory is the default of [ProgramMemory].
const DefaultProgramMemory = 4 << 30

// programMemory is what ProgramMemory says, or the default.
func (c *config) programMemory() int64 {
	if c.programs == 0 {
		return DefaultProgramMemory
	}
	return max(c.programs, 0)
}

// Clock sets the time at which the kernel's clock stands, for images that come
// out the same, byte for byte, each time that the same is done to them, by one
// goroutine. By default it is the host's, and runs.
func Clock(t time.Time) Option {
	return func(c *config) { c.clock = t }
}

// Overlay says where the writes to a read-only image go, such as a replayed
// journal: a file without a name in dir, or memory if dir is "". It may take
// limit bytes for each disk; writing more fails with ENOSPC inside the kernel.
// A limit of 0 is none. By default it is memory and [DefaultOverlayLimit].
func Overlay(dir string, limit int64) Option {
	return func(c *config) { c.overlayDir, c.overlayLimit = dir, limit }
}

// NoLock leaves out the locking of writable disks. Two writers on one image
// destroy it.
func NoLock() Option {
	return func(c *config) { c.noLock = true }
}

// Log has f called with each line that the kernel logs, from a goroutine of
// its own.
func Log(f func(line string)) Option {
	return func(c *config) { c.log = f }
}

// A MountOption of [Image.Mount] and its relatives.
type MountOption func(*mountConfig)

type mountConfig struct {
	fstype   string
	readOnly bool
	data     string
}

// Type sets the kernel's file system driver, such as "ntfs3". By default it is
// chosen by what is found on the device.
func Type(fstype string) MountOption {
	return func(c *mountConfig) { c.fstype = fstype }
}

// ReadOnly mounts read-only even if the image is writable. A journal is still
// replayed; on a writable image that writes to the disk.
func ReadOnly() MountOption {
	return func(c *mountConfig) { c.readOnly = true }
}

// Data adds options for the file system driver, comma-separated as in mount(8):
// "subvol=@,compress=zstd".
func Data(options string) MountOption {
	return func(c *mountConfig) {
		if c.data != "" && options != "" {
			c.data += ","
		}
		c.data += options
	}
}
