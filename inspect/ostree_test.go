package inspect

import (
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
)

const coreosRelease = "NAME=\"Fedora Linux\"\nVERSION=\"39.20231119.3.0 (CoreOS)\"\nID=fedora\nVERSION_ID=39\nPRETTY_NAME=\"Fedora CoreOS 39\"\nVARIANT_ID=coreos\n"

func TestOSTree(t *testing.T) {
	const fcos = "ostree/deploy/fedora-coreos/deploy/"
	deployed := func(sum, release string) testtree.Files {
		return testtree.Files{
			fcos + sum + "/etc/hostname":                sum + "\n",
			fcos + sum + "/etc/fstab":                   "LABEL=var /var xfs\n",
			fcos + sum + "/etc/os-release":              "-> ../usr/lib/os-release",
			fcos + sum + "/usr/lib/os-release":          release,
			fcos + sum + "/usr/bin/ls":                  aarch64,
			fcos + sum + "/usr/lib/modules/6.5/kernel/": "",
			fcos + sum + ".origin":                      "",
		}
	}
	both := deployed("aaa.0", coreosRelease).With(deployed("bbb.0", coreosRelease))
	booted := both.With(testtree.Files{
		"ostree/boot.1": "-> boot.1.1", "ostree/boot.1.1/fedora-coreos/0123/0": "-> ../../../deploy/fedora-coreos/deploy/bbb.0"})
	for name, c := range map[string]struct {
		files testtree.Files
		host  string
	}{
		"booted":       {booted, "bbb.0"},
		"no link":      {both, "aaa.0"},
		"a link away":  {both.With(testtree.Files{"ostree/boot.0/x/y/0": "-> ../../../../../etc"}), "aaa.0"},
		"an empty one": {both.With(testtree.Files{"ostree/boot.0/x/y/0": "-> ../../../deploy/none"}), "aaa.0"},
	} {
		s, err := Tree(c.files.FS())
		if err != nil || s.Hostname != c.host || s.Deployment != "/"+fcos+c.host || s.Distro != "fedora" || s.Variant != "coreos" ||
			s.Arch != "aarch64" || s.Container() {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	src := &fake{devices: []Device{dev("/dev/sda4", "xfs"), dev("/dev/sda5", "xfs", "LABEL=var")}, trees: map[string]testtree.Files{"/dev/sda4": booted, "/dev/sda5": {}}}
	roots, err := Image(src)
	if err != nil || len(roots) != 1 || roots[0].Mountpoints()["/var"] != "/dev/sda5" {
		t.Error(roots, err)
	}
	apk := booted.With(testtree.Files{fcos + "bbb.0/lib/apk/db/installed": "P:a\nV:1\n"})
	list, err := Applications(apk.FS(), &System{Type: Linux, PackageFormat: "apk", Deployment: "/" + fcos + "bbb.0"})
	if err != nil || len(list) != 1 {
		t.Error(list, err)
	}
}
