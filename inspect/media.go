package inspect

import (
	"strings"

	"github.com/unboot/unboot/internal/lazyregexp"
)

// findMedia recognizes disks to install a system from, and live systems.
func findMedia(t *tree) *System {
	for _, find := range []func(*tree) *System{debianMedia, redhatMedia, suseMedia, archMedia, alpineMedia, windowsMedia} {
		if s := find(t); s != nil {
			s.Format = Installer
			s.Live = s.Live || t.isFile("live/filesystem.squashfs") || t.isFile("casper/filesystem.squashfs") ||
				t.isFile("LiveOS/squashfs.img")
			return s
		}
	}
	return nil
}

var diskInfo = lazyregexp.New(`^(.*?) ([0-9][0-9.]*)(?: LTS)?.*?"([^"]*)"`)

// debianMedia reads .disk/info, which Debian and Ubuntu have:
//
//	Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST with firmware 20240210-11:27
//	Ubuntu 22.04.4 LTS "Jammy Jellyfish" - Release amd64 (20240220)
func debianMedia(t *tree) *System {
	text := t.line(".disk/info")
	if text == "" {
		return nil
	}
	s := &System{Type: Linux, Product: text}
	switch lower := strings.ToLower(text); {
	case strings.HasPrefix(lower, "debian"):
		s.Distro = "debian"
	case strings.Contains(lower, "ubuntu"):
		s.Distro = "ubuntu"
	case strings.HasPrefix(lower, "linux mint"):
		s.Distro = "linuxmint"
	case strings.HasPrefix(lower, "kali"):
		s.Distro = "kalilinux"
	default:
		s.Distro = "debian"
		if t.isDir("casper") {
			s.Distro = "ubuntu"
		}
	}
	if m := diskInfo().FindStringSubmatch(text); m != nil {
		s.setVersion(m[2])
		s.Codename, _, _ = strings.Cut(strings.ToLower(m[3]), " ")
	} else {
		s.setVersion(findVersion(text))
	}
	s.Arch = archWord(text)
	s.NetInst = strings.Contains(strings.ToUpper(text), "NETINST")
	s.Live = strings.Contains(text, "Live")
	s.MultiPart = strings.Contains(text, "-1 ") && strings.Contains(text, "DVD Binary-1") && !t.isFile(".disk/base_components")
	s.setPackages(t)
	return s
}

// redhatMedia reads .treeinfo or .discinfo of Fedora and Red Hat.
func redhatMedia(t *tree) *System {
	s := &System{Type: Linux}
	info := iniFile(t.read(".treeinfo"))
	if len(info) != 0 {
		name := info["release.name"]
		if name == "" {
			name = info["general.family"]
		}
		version := info["release.version"]
		if version == "" {
			version = info["general.version"]
		}
		s.Product = strings.TrimSpace(name + " " + version)
		s.setVersion(version)
		s.Arch = archWord(info["tree.arch"] + " " + info["general.arch"])
		s.Variant = info["general.variant"]
		s.MultiPart = info["media.totaldiscs"] != "" && info["media.totaldiscs"] != "1"
		s.NetInst = !t.isDir("Packages") && !t.isDir("LiveOS")
	} else {
		// A time, the name, the architecture, the number of the disk.
		lines := strings.SplitN(string(t.read(".discinfo")), "\n", 5)
		if len(lines) < 3 {
			return nil
		}
		s.Product = clean(lines[1])
		s.setVersion(findVersion(s.Product))
		s.Arch = archWord(lines[2])
	}
	for _, known := range []struct{ word, distro string }{
		{"Fedora", "fedora"}, {"Red Hat", "rhel"}, {"CentOS", "centos"}, {"Scientific", "scientificlinux"},
		{"Rocky", "rocky"}, {"AlmaLinux", "almalinux"}, {"Oracle", "oraclelinux"}, {"", "redhat-based"},
	} {
		if strings.Contains(s.Product, known.word) {
			s.Distro = known.distro
			break
		}
	}
	s.setPackages(t)
	return s
}

// suseMedia reads media.1/products: "/ openSUSE-Leap 15.5-1".
func suseMedia(t *tree) *System {
	text := t.line("media.1/products")
	if text == "" {
		return nil
	}
	s := &System{Type: Linux, Distro: "suse-based", Product: strings.TrimSpace(strings.TrimPrefix(text, "/"))}
	switch lower := strings.ToLower(text); {
	case strings.Contains(lower, "opensuse"):
		s.Distro = "opensuse"
	case strings.Contains(lower, "sle"):
		s.Distro = "sles"
	}
	version, _, _ := strings.Cut(findVersion(s.Product), "-")
	s.setVersion(version)
	s.Arch = archWord(text)
	s.setPackages(t)
	return s
}

func archMedia(t *tree) *System {
	if !t.isDir("arch/x86_64") && !t.isDir("arch/boot") {
		return nil
	}
	s := &System{Type: Linux, Distro: "archlinux", Product: "Arch Linux", Live: true, NetInst: true}
	s.setVersion(t.line("arch/version"))
	if t.isDir("arch/x86_64") {
		s.Arch = "x86_64"
	}
	s.setPackages(t)
	return s
}

func alpineMedia(t *tree) *System {
	text := t.line(".alpine-release")
	if text == "" {
		return nil
	}
	s := &System{Type: Linux, Distro: "alpinelinux", Product: text, Live: true}
	name, _, _ := strings.Cut(text, " ")
	s.setVersion(name[strings.LastIndexByte(name, '-')+1:])
	for _, e := range t.list("apks") {
		if a := archWord(e.Name()); a != "" {
			s.Arch = a
		}
	}
	s.setPackages(t)
	return s
}

// windowsMedia recognizes what installs Windows: an image since Vista, a script
// before.
func windowsMedia(t *tree) *System {
	s := &System{Type: Windows, Distro: "windows", Windows: &WindowsSystem{}}
	for _, image := range []string{"sources/install.wim", "sources/install.esd", "sources/install.swm"} {
		if t.noCaseFile(image) == "" {
			continue
		}
		s.MultiPart = strings.HasSuffix(image, "swm")
		s.Product = "Windows"
		if p := t.noCaseFile("setup.exe"); p != "" {
			s.Arch = FileArch(t.head(p, peekSize))
		}
		return s
	}
	for dir, arch := range map[string]string{"i386": "i386", "amd64": "x86_64"} {
		p := t.noCaseFile(dir + "/txtsetup.sif")
		if p == "" || s.Arch == "x86_64" {
			continue
		}
		s.Arch = arch
		info := iniFile(t.read(p))
		s.Product = info["setupdata.productname"]
		if _, name, ok := strings.Cut(info["strings.productname"], "="); ok {
			s.Product = name
		} else if v := info["strings.productname"]; v != "" {
			s.Product = v
		}
		s.Major, _, _ = leadingNumber(info["setupdata.majorversion"])
		s.Minor, _, _ = leadingNumber(info["setupdata.minorversion"])
	}
	if s.Arch == "" {
		return nil
	}
	return s
}

// iniFile reads a file with sections. The keys are "section.name", in lower case.
func iniFile(data []byte) map[string]string {
	vars := map[string]string{}
	section := ""
	for line := range strings.Lines(string(data)) {
		line = clean(line)
		if strings.HasPrefix(line, "[") {
			section = strings.ToLower(strings.Trim(line, "[] ")) + "."
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		name = section + strings.ToLower(strings.TrimSpace(name))
		if _, again := vars[name]; !again && len(vars) >= maxAssignments {
			break
		}
		vars[name] = strings.Trim(strings.TrimSpace(value), `"`)
	}
	return vars
}

// archWord finds the name of an architecture among the words of a text.
func archWord(text string) string {
	for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return strings.ContainsRune(" /-.,()", r) }) {
		switch word {
		case "x86_64", "amd64":
			return "x86_64"
		case "i386", "i486", "i586", "i686", "x86":
			return "i386"
		case "aarch64", "arm64":
			return "aarch64"
		case "armhf", "armel", "armv7", "armhfp", "armv7hl", "arm":
			return "arm"
		case "ppc64el", "ppc64le":
			return "ppc64le"
		case "ppc64", "s390x", "riscv64", "ia64", "sparc64":
			return word
		}
	}
	return ""
}
