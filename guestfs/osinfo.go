package guestfs

import (
	"fmt"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// inspectGetOsinfo returns what libosinfo calls a system, or "unknown".
func (g *Guestfs) inspectGetOsinfo(root string) (string, error) {
	kind, err := g.ask(rpc.ProcInspectGetType, root)
	if err != nil {
		return "", err
	}
	distro, err := g.ask(rpc.ProcInspectGetDistro, root)
	if err != nil {
		return "", err
	}
	major, err := g.askNumber(rpc.ProcInspectGetMajorVersion, root)
	if err != nil {
		return "", err
	}
	minor, err := g.askNumber(rpc.ProcInspectGetMinorVersion, root)
	if err != nil {
		return "", err
	}
	variant, product := "", ""
	if kind == "windows" {
		if variant, err = g.ask(rpc.ProcInspectGetProductVariant, root); err != nil {
			return "", err
		}
		if product, err = g.ask(rpc.ProcInspectGetProductName, root); err != nil {
			return "", err
		}
	}
	return osinfo(kind, distro, major, minor, variant, product), nil
}

func osinfo(kind, distro string, major, minor int, variant, product string) string {
	both := fmt.Sprintf("%s%d.%d", distro, major, minor)
	switch kind + "/" + distro {
	case "linux/archlinux", "linux/gentoo", "linux/voidlinux":
		return distro
	case "linux/debian":
		if major >= 4 {
			return fmt.Sprintf("debian%d", major)
		}
	case "linux/fedora", "linux/mageia":
		return fmt.Sprintf("%s%d", distro, major)
	case "linux/centos":
		if major >= 8 {
			return fmt.Sprintf("centos%d", major)
		}
		if major == 7 {
			return "centos7.0"
		}
		return both
	case "linux/ubuntu":
		return fmt.Sprintf("ubuntu%d.%02d", major, minor)
	case "linux/rhel", "linux/alpinelinux", "linux/oraclelinux", "linux/rocky", "linux/almalinux":
		return both
	case "linux/sles":
		if minor == 0 {
			return fmt.Sprintf("sles%d", major)
		}
		return fmt.Sprintf("sles%dsp%d", major, minor)
	case "linux/opensuse":
		return both
	case "freebsd/freebsd", "netbsd/netbsd", "openbsd/openbsd":
		return both
	case "windows/windows":
		return osinfoWindows(major, minor, variant == "Client", product)
	}
	return "unknown"
}

func osinfoWindows(major, minor int, client bool, product string) string {
	server := !client
	switch {
	case major == 5 && minor == 0:
		return "win2k"
	case major == 5 && minor == 1:
		return "winxp"
	case major == 5 && minor == 2:
		if strings.Contains(product, "R2") {
			return "win2k3r2"
		}
		if strings.Contains(product, "XP") {
			return "winxp"
		}
		return "win2k3"
	case major == 6 && minor == 0:
		return pick(server, "win2k8", "winvista")
	case major == 6 && minor == 1:
		return pick(server, "win2k8r2", "win7")
	case major == 6 && minor == 2:
		return pick(server, "win2k12", "win8")
	case major == 6 && minor == 3:
		return pick(server, "win2k12r2", "win8.1")
	case major == 10 && client:
		return pick(strings.Contains(product, "11"), "win11", "win10")
	case major == 10:
		for _, year := range []string{"2025", "2022", "2019"} {
			if strings.Contains(product, year) {
				return "win2k" + year[2:]
			}
		}
		return "win2k16"
	}
	return "unknown"
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
