package guestfs

import (
	"fmt"
	"io"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/inspect/packages"
	"github.com/unboot/unboot/inspect/registry"
)

// inspector finds applications, of Windows too.
var inspector = inspect.Inspector{OpenHive: registry.Open}

// ask returns what inspection says of a root, as a string.
func (g *Guestfs) ask(proc uint32, root string) (string, error) {
	a := &rpc.InspectGetTypeArgs{Root: root} // all of them have just the root
	return query(g, proc, a, (*xdr.Codec).String)
}

func (g *Guestfs) askNumber(proc uint32, root string) (int, error) {
	return query(g, proc, &rpc.InspectGetTypeArgs{Root: root}, (*xdr.Codec).Int)
}

// applications lists what is installed, from the files in the tree.
func (g *Guestfs) applications(root string) ([]packages.Package, error) {
	kind, err := g.ask(rpc.ProcInspectGetType, root)
	if err != nil {
		return nil, err
	}
	if kind == "windows" {
		software, err := g.ask(rpc.ProcInspectGetWindowsSoftwareHive, root)
		if err != nil {
			return nil, err
		}
		s := &inspect.System{Type: inspect.Windows, Windows: &inspect.WindowsSystem{SoftwareHive: software}}
		return inspector.Applications(tree{g}, s)
	}
	format, err := g.ask(rpc.ProcInspectGetPackageFormat, root)
	if err != nil {
		return nil, err
	}
	return inspect.Applications(tree{g}, &inspect.System{PackageFormat: format})
}

func (g *Guestfs) inspectListApplications2(root string) (*[]Application2, error) {
	list, err := g.applications(root)
	if len(list) == 0 && err != nil {
		return nil, err
	}
	if err != nil {
		g.message(EVENT_WARNING, "inspect_list_applications2: "+err.Error())
	}
	l := make([]Application2, 0, len(list))
	for _, p := range list {
		l = append(l, Application2{
			App2_name: p.Name, App2_display_name: p.DisplayName, App2_epoch: p.Epoch, App2_version: p.Version,
			App2_release: p.Release, App2_arch: p.Arch, App2_install_path: p.InstallPath, App2_publisher: p.Publisher,
			App2_url: p.URL, App2_source_package: p.SourcePackage, App2_summary: p.Summary, App2_description: p.Description,
		})
	}
	return &l, nil
}

func (g *Guestfs) inspectListApplications(root string) (*[]Application, error) {
	list, err := g.inspectListApplications2(root)
	if err != nil {
		return nil, err
	}
	l := make([]Application, 0, len(*list))
	for _, p := range *list {
		l = append(l, Application{
			App_name: p.App2_name, App_display_name: p.App2_display_name, App_epoch: p.App2_epoch,
			App_version: p.App2_version, App_release: p.App2_release, App_install_path: p.App2_install_path,
			App_trans_path: p.App2_trans_path, App_publisher: p.App2_publisher, App_url: p.App2_url,
			App_source_package: p.App2_source_package, App_summary: p.App2_summary, App_description: p.App2_description,
		})
	}
	return &l, nil
}

// iconMax is how large a file may be that is taken for an icon.
const iconMax = 1 << 20

// icons are where distributions have a logo, of which some are of high quality.
var icons = map[string][]string{
	"debian": {"/usr/share/pixmaps/debian-logo.png"},
	"fedora": {"/usr/share/icons/hicolor/96x96/apps/fedora-logo-icon.png"},
	"rhel":   {"/usr/share/pixmaps/redhat/shadowman-transparent.png"},
	"ubuntu": {"/usr/share/icons/gnome/24x24/places/ubuntu-logo.png"},
}

// inspectGetIcon returns a picture of a system in the format PNG, or nothing if there is
// none. Pictures in other formats are passed over.
func (g *Guestfs) inspectGetIcon(root string, o *OptargsInspect_get_icon) ([]byte, error) {
	distro, err := g.ask(rpc.ProcInspectGetDistro, root)
	if err != nil {
		return nil, err
	}
	var paths []string
	o = orNone(o)
	best := o.Highquality_is_set && o.Highquality
	if favicon := !o.Favicon_is_set || o.Favicon; favicon && !best {
		paths = append(paths, "/etc/favicon.png")
	}
	paths = append(paths, icons[distro]...)
	for _, path := range paths {
		f, err := (tree{g}).Open(strings.TrimPrefix(path, "/"))
		if err != nil {
			continue
		}
		st, err := f.Stat()
		if err != nil || !st.Mode().IsRegular() || st.Size() > iconMax {
			continue
		}
		b, err := io.ReadAll(io.LimitReader(f, iconMax))
		if err == nil && strings.HasPrefix(string(b), "\x89PNG\r\n\x1a\n") {
			return b, nil
		}
	}
	return []byte{}, nil
}

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
