package guestfs

import (
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
// none. Pictures in other formats are ignored.
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
