package source

import (
	"github.com/unboot/unboot/disk/asif"
	"github.com/unboot/unboot/disk/bochs"
	"github.com/unboot/unboot/disk/cloop"
	"github.com/unboot/unboot/disk/dmg"
	"github.com/unboot/unboot/disk/ewf"
	"github.com/unboot/unboot/disk/httpdisk"
	"github.com/unboot/unboot/disk/nbd"
	"github.com/unboot/unboot/disk/ova"
	"github.com/unboot/unboot/disk/parallels"
	"github.com/unboot/unboot/disk/qcow1"
	"github.com/unboot/unboot/disk/qcow2"
	"github.com/unboot/unboot/disk/qed"
	"github.com/unboot/unboot/disk/simg"
	"github.com/unboot/unboot/disk/split"
	"github.com/unboot/unboot/disk/vdi"
	"github.com/unboot/unboot/disk/vhd"
	"github.com/unboot/unboot/disk/vhdx"
	"github.com/unboot/unboot/disk/vma"
	"github.com/unboot/unboot/disk/vmdk"
)

// formats are those that are known. A new one is a package with the functions of a
// [Format], and a line here.
var formats = []Format{
	{Name: rawFormat, Open: openRaw, Stat: statRaw, Create: createRaw, Endings: []string{"img", "raw"}, Writable: true},
	{Name: "qcow2", Match: qcow2.Match, Open: qcow2.Open, OpenSnapshot: qcow2.OpenSnapshot, Stat: qcow2.Stat, Create: qcow2.Create, Check: qcow2.Check, State: qcow2.State, Endings: []string{"qcow2"}, Encrypts: true, Writable: true},
	{Name: "vmdk", Match: vmdk.Match, Open: vmdk.Open, Stat: vmdk.Stat, Create: vmdk.Create, Check: vmdk.Check, State: vmdk.State, Endings: []string{"vmdk"}, Writable: true},
	{Name: "vdi", Match: vdi.Match, Open: vdi.Open, Stat: vdi.Stat, Create: vdi.Create, Check: vdi.Check, Endings: []string{"vdi"}, Whole: true, Writable: true},
	{Name: "ewf", Match: ewf.Match, Open: ewf.Open, Stat: ewf.Stat, Check: ewf.Check, CheckParts: ewf.CheckSegments},
	{Name: "dmg", Match: dmg.Match, Open: dmg.Open, Stat: dmg.Stat, Check: dmg.Check, Signatures: []string{"bzip2", "xz"}},
	{Name: "qcow", Match: qcow1.Match, Open: qcow1.Open, Stat: qcow1.Stat},
	{Name: "qed", Match: qed.Match, Open: qed.Open, Stat: qed.Stat},
	{Name: "bochs", Match: bochs.Match, Open: bochs.Open, Stat: bochs.Stat},
	{Name: "cloop", Match: cloop.Match, Open: cloop.Open, Stat: cloop.Stat, Signatures: []string{"script"}},
	{Name: "parallels", Match: parallels.Match, Open: parallels.Open, Stat: parallels.Stat},
	{Name: "asif", Match: asif.Match, Open: asif.Open, Stat: asif.Stat},
	{Name: "ova", Match: ova.Match, Open: ova.Open, OpenPart: ova.OpenPart, Stat: ova.Stat, Signatures: []string{"tar"}},
	vmaFormat,
	compressedFormat("gzip", vmaFormat),
	compressedFormat("bzip2", vmaFormat),
	compressedFormat("xz", vmaFormat),
	compressedFormat("zstd", vmaFormat),
	compressedFormat("lzop", vmaFormat),
	{Name: "split", Open: split.Open, Stat: split.Stat},
	{Name: "simg", Match: simg.Match, Open: simg.Open, Stat: simg.Stat, Signatures: []string{"Android sparse"}},
	{Name: "vpc", Match: vhd.Match, Open: vhd.Open, Stat: vhd.Stat, Create: vhd.Create, Check: vhd.Check, Signatures: []string{"vhd"}, Endings: []string{"vhd", "vpc"}, Writable: true},
	{Name: "vhdx", Match: vhdx.Match, Open: vhdx.Open, Stat: vhdx.Stat, Create: vhdx.Create, Check: vhdx.Check, Endings: []string{"vhdx"}, Whole: true, Writable: true},
}

// vmaFormat is that of backups of Proxmox VE, which are often compressed.
var vmaFormat = Format{Name: "vma", Match: vma.Match, Open: vma.Open, OpenPart: vma.OpenPart, Stat: vma.Stat, Signatures: []string{"VMA"}}

// transports are those that are known. A new one is a package with an Open of a
// [Transport], and a line here; or, if it takes modules that most programs do not want, one in
// package remote.
var transports = []Transport{
	{Schemes: []string{"file"}, Open: openFile},
	{Schemes: []string{"nbd", "nbds", "nbd+unix", "nbds+unix"}, Open: Cached(nbd.Open)},
	{Schemes: []string{"http", "https"}, Open: Cached(httpdisk.Open)},
}
