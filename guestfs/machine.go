package guestfs

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/appliance"
)

// machine is what a virtual machine's command line is made of.
type machine struct {
	appliance  appliance.Files
	drives     []drive
	socket     string // host path
	memsize    int    // MB
	smp        int
	network    bool
	verbose    bool
	tcg        bool
	append     string
	identifier string
	parameters [][2]string
}

// args returns the arguments for qemu, as libguestfs makes them.
func (m *machine) args() ([]string, error) {
	accel := "kvm:tcg"
	if m.tcg {
		accel = "tcg"
	}
	kind, console := "accel="+accel, "ttyS0"
	if runtime.GOARCH == "arm64" {
		kind, console = "virt,"+kind, "ttyAMA0"
	}
	args := []string{"-no-user-config", "-nodefaults", "-display", "none", "-machine", kind, "-cpu", "max"}
	if m.smp > 1 {
		args = append(args, "-smp", fmt.Sprint(m.smp))
	}
	args = append(args, "-m", fmt.Sprint(m.memsize), "-no-reboot", "-rtc", "driftfix=slew")
	if runtime.GOARCH == "amd64" {
		args = append(args, "-global", "kvm-pit.lost_tick_policy=discard")
	}
	args = append(args, "-kernel", m.appliance.Kernel, "-initrd", m.appliance.Initrd,
		"-object", "rng-random,filename=/dev/urandom,id=rng0", "-device", "virtio-rng-pci,rng=rng0",
		"-device", "virtio-scsi-pci,id=scsi")
	for i := range m.drives {
		d, err := m.drives[i].forMachine(i)
		if err != nil {
			return nil, err
		}
		args = append(args, d...)
	}
	root := ""
	if m.appliance.Root != "" {
		uuid, err := m.appliance.RootUUID()
		if err != nil {
			return nil, pathError(err)
		}
		root = " root=UUID=" + uuid
		args = append(args, m.appliance.RootDrive()...)
	}
	args = append(args, "-device", "virtio-serial-pci", "-serial", "stdio",
		"-chardev", "socket,path="+appliance.Comma(m.socket)+",id=channel0",
		"-device", "virtserialport,chardev=channel0,name=org.libguestfs.channel.0")
	if m.network {
		args = append(args, "-netdev", "user,id=usernet,net=169.254.0.0/16", "-device", "virtio-net-pci,netdev=usernet")
	}
	args = append(args, "-append", m.kernelArgs(console)+root)
	for _, p := range m.parameters {
		args = append(args, p[0])
		if p[1] != "" {
			args = append(args, p[1])
		}
	}
	return args, nil
}

func (m *machine) kernelArgs(console string) string {
	words := []string{"panic=1", "console=" + console, "edd=off", "udevtimeout=6000", "udev.event-timeout=6000",
		"no_timer_check", "printk.time=1", "cgroup_disable=memory", "usbcore.nousb", "cryptomgr.notests",
		"tsc=reliable", "8250.nr_uarts=1", "selinux=0"}
	if m.verbose {
		words = append(words, "guestfs_verbose=1")
	} else {
		words = append(words, "quiet")
	}
	if m.network {
		words = append(words, "guestfs_network=1")
	}
	words = append(words, "TERM=linux")
	if m.identifier != "" {
		words = append(words, "guestfs_identifier="+m.identifier)
	}
	if m.append != "" {
		words = append(words, m.append)
	}
	return strings.Join(words, " ")
}

// forMachine returns the options of a drive. What is written to a read-only one goes to
// a file of qemu's own that no other program sees.
func (d *drive) forMachine(i int) ([]string, error) {
	name, err := d.url()
	if err != nil {
		return nil, err
	}
	cache := "writeback"
	if d.cachemode == "unsafe" || d.readonly {
		cache = "unsafe"
	}
	opts := "file=" + appliance.Comma(name) + ",cache=" + cache
	if d.format != "" {
		opts += ",format=" + d.format
	}
	if d.readonly {
		opts += ",snapshot=on"
	}
	if d.copyonread {
		opts += ",copy-on-read=on"
	}
	if d.discards() {
		opts += ",discard=unmap"
	}
	device := fmt.Sprintf("scsi-hd,drive=hd%d", i)
	if d.label != "" {
		device += ",serial=" + d.label
	}
	if d.blocksize != 0 {
		device += fmt.Sprintf(",physical_block_size=%d,logical_block_size=%d", d.blocksize, d.blocksize)
	}
	return []string{"-drive", opts + fmt.Sprintf(",id=hd%d,if=none", i), "-device", device}, nil
}

// url returns the name of a drive's image as qemu has it.
func (d *drive) url() (string, error) {
	server := ""
	if len(d.servers) > 0 {
		server = d.servers[0]
	}
	host := strings.TrimPrefix(server, "tcp:")
	user := ""
	if d.username != "" {
		user = d.username + "@"
	}
	path := strings.TrimPrefix(d.path, "/")
	socket, local := strings.CutPrefix(server, "unix:")
	switch d.protocol {
	case "":
		return d.path, nil
	case "nbd":
		name := "nbd:" + host
		if local {
			name = "nbd:unix:" + socket
		}
		if d.path != "" && d.path != "/" {
			name += ":exportname=" + d.path
		}
		return name, nil
	case "ftp", "ftps", "http", "https", "ssh":
		return d.protocol + "://" + user + host + "/" + path, nil
	case "iscsi":
		if d.secret != "" {
			user = d.username + "%" + d.secret + "@"
		}
		return "iscsi://" + user + host + "/" + path, nil
	case "rbd":
		name := "rbd:" + path
		var hosts []string
		for _, s := range d.servers {
			hosts = append(hosts, strings.ReplaceAll(strings.TrimPrefix(s, "tcp:"), ":", `\:`))
		}
		if len(hosts) > 0 {
			name += ":mon_host=" + strings.Join(hosts, `\;`)
		}
		if d.username != "" {
			name += ":id=" + d.username
		}
		return name + ":auth_supported=none", nil
	}
	return "", errorf(0, "unknown protocol '%s'", d.protocol)
}
