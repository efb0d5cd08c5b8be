package toolroot

import (
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A file is a file of a tool's root, with the text that it has, or a symbolic link.
type file struct {
	name string // without the slash at the beginning
	text []byte
	to   string // the target, of a link
}

// copied are the files of the host's /etc that programs need to be started, or that say how
// file systems are made by default.
var copied = []string{
	"/etc/ld.so.cache", "/etc/ld-musl-*.path", "/etc/mke2fs.conf", "/etc/magic", "/etc/mtools.conf", "/etc/nilfs_cleanerd.conf",
	"/etc/ssl/openssl.cnf", "/etc/os-release", "/etc/localtime",
}

// maxCopied is how large each of them may be, in bytes.
const maxCopied = 1 << 20

// made are files that the host's would not do for: those would be about its own users and
// disks. There is no udev that LVM could wait for or ask.
var made = []file{
	{name: "etc/passwd", text: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n")},
	{name: "etc/group", text: []byte("root:x:0:\ntty:x:5:\ndisk:x:6:\nnogroup:x:65534:\n")},
	{name: "etc/nsswitch.conf", text: []byte("passwd: files\ngroup: files\nhosts: files dns\n")},
	{name: "etc/mtab", to: "../proc/self/mounts"},
	{name: "etc/fstab"},
	{name: "etc/lvm/lvm.conf", text: []byte(`config { checks = 0 }
devices { use_devicesfile = 0 obtain_device_list_from_udev = 0 external_device_info_source = "none" }
activation { udev_sync = 0 udev_rules = 0 verify_udev_operations = 0 monitoring = 0 }
backup { archive = 0 }
`)},
}

// folders are the directories that there are besides those of the host and of the files. Those
// of files come after what they lie in.
var folders = []string{"etc", "etc/alternatives", "etc/lvm", "etc/ssl", "root", "var", "var/lib", "var/tmp"}

// networkCopied are those that programs need besides for a network: whom they trust, by the names
// that this has on Debian, Fedora, and Alpine, and what ports and protocols are called.
var networkCopied = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/services", "/etc/protocols",
}

// networkFolders are the directories that these are in.
var networkFolders = []string{"etc/ssl/certs", "etc/pki", "etc/pki/tls", "etc/pki/tls/certs"}

// networkFiles returns the files for a network with a resolv.conf(5).
func networkFiles(resolvConf []byte) []file {
	return append(copies(networkCopied),
		file{name: "etc/resolv.conf", text: resolvConf},
		file{name: "etc/hosts", text: []byte("127.0.0.1 localhost\n::1 localhost\n")})
}

// files returns the files of a tool's root. What of the host cannot be read is left out.
func files() []file {
	return append(append([]file(nil), made...), copies(copied)...)
}

// copies returns the host's files that patterns match.
func copies(patterns []string) (list []file) {
	for _, pattern := range patterns {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			if text, err := readSmall(name); err == nil {
				list = append(list, file{name: name[1:], text: text})
			}
		}
	}
	return list
}

// alternatives are the links by which Debian and others choose one of several programs: awk(1)
// is a link to /etc/alternatives/awk, and that one to mawk(1).
const alternatives = "/etc/alternatives"

// maxAlternatives is how many of them are made at most.
const maxAlternatives = 1000

// choices returns the links of alternatives that lead to what tools see, but for manual pages.
func (h *Host) choices() (list []file) {
	entries, _ := os.ReadDir(alternatives)
	for _, e := range entries {
		name := path.Join(alternatives, e.Name())
		to, err := os.Readlink(name)
		if err != nil || !h.has(to) || strings.HasPrefix(to, "/usr/share/man/") {
			continue
		}
		if list = append(list, file{name: name[1:], to: to}); len(list) == maxAlternatives {
			break
		}
	}
	return list
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxCopied {
		return nil, fs.ErrInvalid
	}
	return io.ReadAll(io.LimitReader(f, maxCopied))
}

// makeFiles makes directories, others for what is mounted, links, and files below a directory of a
// kernel.
func makeFiles(k *lkl.Kernel, at int, folders, mounts []string, links map[string]string, files []file) error {
	b := &builder{k: k, at: at, c: k.NewChain()}
	for _, dir := range folders {
		b.mkdir(dir)
	}
	for _, dir := range mounts {
		if above := path.Dir(dir); above != "/" {
			b.mkdir(above[1:])
		}
		b.mkdir(dir[1:])
	}
	for name, to := range links {
		b.symlink(to, name[1:])
	}
	for _, f := range files {
		if f.to != "" {
			b.symlink(f.to, f.name)
		} else {
			b.write(f.name, f.text)
		}
	}
	return b.run()
}

// A builder makes files by as few calls as it can.
type builder struct {
	k    *lkl.Kernel
	at   int
	c    *lkl.Chain
	size int
	err  error
}

const (
	chainCalls = 120
	chainBytes = 512 << 10
)

func (b *builder) mkdir(name string) {
	b.next(1, len(name))
	b.c.Mkdirat(b.at, name, 0o755)
}

func (b *builder) symlink(to, name string) {
	b.next(1, len(to)+len(name))
	b.c.Symlinkat(to, b.at, name)
}

func (b *builder) write(name string, text []byte) {
	for first := true; first || len(text) > 0; first = false {
		piece := text[:min(len(text), chainBytes/2)]
		text = text[len(piece):]
		b.next(3, len(piece)+len(name))
		flags := unix.O_WRONLY | unix.O_CREAT | unix.O_APPEND | unix.O_CLOEXEC
		open := b.c.Openat(b.at, name, flags, 0o644)
		if len(piece) > 0 {
			b.c.Write(open.Fd(), piece)
		}
		b.c.Close(open.Fd())
	}
}

// next makes room for some calls and bytes.
func (b *builder) next(calls, bytes int) {
	if b.c.Len()+calls > chainCalls || b.size+bytes > chainBytes {
		b.run()
	}
	b.size += bytes + 64
}

func (b *builder) run() error {
	if b.err == nil && b.c.Len() > 0 {
		if err := b.c.Run(); err != nil {
			b.err = &fs.PathError{Op: "make", Path: "the root of tools", Err: err}
		}
	}
	b.c.Reset()
	b.size = 0
	return b.err
}
