package inspect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/internal/lazyregexp"
)

// systemRoots are the usual names of the directory that Windows is in.
var systemRoots = []string{"windows", "winnt", "win32", "win", "reactos"}

// findWindows recognizes Windows NT and its successors. The names in a tree are
// case-sensitive to Linux, and are not to Windows.
func (in *Inspector) findWindows(t *tree) *System {
	names := systemRoots
	if ini := t.noCaseFile("boot.ini"); ini != "" {
		names = append(bootINI(t.read(ini)), names...)
	}
	for _, name := range names {
		root := t.noCaseDir(name)
		if root == "" || t.noCaseDir(root+"/system32/config") == "" {
			continue
		}
		if t.noCaseFile(root+"/system32/cmd.exe") == "" && t.noCaseFile(root+"/system32/ntoskrnl.exe") == "" {
			continue
		}
		s := &System{Type: Windows, Distro: "windows", Windows: &WindowsSystem{SystemRoot: "/" + root}}
		s.later(func(t *tree) { in.finishWindows(t, s, root) })
		return s
	}
	return nil
}

// finishWindows reads what the registry of a Windows knows.
func (in *Inspector) finishWindows(t *tree, s *System, root string) {
	for _, program := range []string{"cmd.exe", "kernel32.dll", "ntoskrnl.exe", "ntdll.dll"} {
		if p := t.noCaseFile(root + "/system32/" + program); p != "" {
			if s.Arch = FileArch(t.head(p, peekSize)); s.Arch != "" {
				break
			}
		}
	}
	if p := t.noCaseFile(root + "/system32/config/software"); p != "" {
		s.Windows.SoftwareHive = "/" + p
		in.withHive(t, p, s.fromSoftware)
	}
	if p := t.noCaseFile(root + "/system32/config/system"); p != "" {
		s.Windows.SystemHive = "/" + p
		in.withHive(t, p, s.fromSystem)
	}
}

// fromSoftware reads the product from HKLM\SOFTWARE.
func (s *System) fromSoftware(h hive) {
	k := h.key("Microsoft", "Windows NT", "CurrentVersion")
	text := func(name string) string { return h.value(k, name).Text() }
	s.Product = text("ProductName")
	s.Variant = text("InstallationType")
	s.BuildID = text("CurrentBuildNumber")
	if s.BuildID == "" {
		s.BuildID = text("CurrentBuild")
	}
	s.setVersion(text("CurrentVersion"))
	// Since Windows 10 CurrentVersion has stayed at 6.3.
	if major, ok := h.value(k, "CurrentMajorVersionNumber").Number(); ok && major < 1<<16 {
		minor, _ := h.value(k, "CurrentMinorVersionNumber").Number()
		s.setVersion(fmt.Sprintf("%d.%d", major, minor&0xffff))
	}
	s.Codename = text("DisplayVersion")
	s.Windows.GroupPolicy = hasPolicies(h)
	// The first release of Windows 11 called itself 10, and so do all since.
	if build, _, ok := leadingNumber(s.BuildID); ok && build >= 22000 && s.Variant != "Server" {
		s.Product = strings.Replace(s.Product, "Windows 10", "Windows 11", 1)
	}
}

// guidKey is the name of a key that stands for an object of a domain.
var guidKey = lazyregexp.New(`^\{[0-9A-Fa-f-]{36}\}$`)

// hasPolicies reports whether a domain has sent policies: each that came has a key, named
// by the GUID of what applies it.
func hasPolicies(h hive) bool {
	k := h.key("Microsoft", "Windows", "CurrentVersion", "Group Policy", "History")
	if k == nil {
		return false
	}
	children, err := k.Children()
	if err != nil {
		h.t.note("registry", err)
	}
	return slices.ContainsFunc(children, func(k Key) bool { return guidKey().MatchString(k.Name()) })
}

// fromSystem reads the control set, the host's name and the drives from HKLM\SYSTEM.
func (s *System) fromSystem(h hive) {
	n, ok := h.value(h.key("Select"), "Current").Number()
	if ok && 0 < n && n < 1000 {
		set := fmt.Sprintf("ControlSet%03d", n)
		s.Windows.ControlSet = set
		tcpip := h.key(set, "Services", "Tcpip", "Parameters")
		for _, try := range []struct {
			key  Key
			name string
		}{
			{tcpip, "Hostname"},
			{tcpip, "NV Hostname"},
			{h.key(set, "Control", "ComputerName", "ComputerName"), "ComputerName"},
		} {
			if s.Hostname = validHostname(h.value(try.key, try.name).Text()); s.Hostname != "" {
				break
			}
		}
	}
	s.Windows.Drives = drives(h)
}
