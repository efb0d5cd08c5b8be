package source

import (
	"github.com/unboot/unboot/disk/httpdisk"
	"github.com/unboot/unboot/disk/nbd"
	"github.com/unboot/unboot/disk/qcow2"
	"github.com/unboot/unboot/disk/simg"
	"github.com/unboot/unboot/disk/vdi"
	"github.com/unboot/unboot/disk/vhd"
	"github.com/unboot/unboot/disk/vhdx"
	"github.com/unboot/unboot/disk/vmdk"
)

// formats are those that are known. A new one is a package with the functions of a
// [Format], and a line here.
var formats = []Format{
	{Name: "raw", Open: openRaw, Stat: statRaw, Writable: true},
	{Name: "qcow2", Match: qcow2.Match, Open: qcow2.Open, Stat: qcow2.Stat, Create: qcow2.Create, Check: qcow2.Check, Writable: true},
	{Name: "vmdk", Match: vmdk.Match, Open: vmdk.Open, Stat: vmdk.Stat, Create: vmdk.Create, Check: vmdk.Check, Writable: true, Convert: vmdk.Convert},
	{Name: "vdi", Match: vdi.Match, Open: vdi.Open, Stat: vdi.Stat, Create: vdi.Create, Check: vdi.Check, Writable: true, Convert: vdi.Convert},
	{Name: "simg", Match: simg.Match, Open: simg.Open, Stat: simg.Stat, Convert: "simg2img IMAGE IMAGE.raw"},
	{Name: "vpc", Match: vhd.Match, Open: vhd.Open, Stat: vhd.Stat, Writable: true, Convert: "qemu-img convert -O raw IMAGE IMAGE.raw"},
	{Name: "vhdx", Match: vhdx.Match, Open: vhdx.Open, Stat: vhdx.Stat, Convert: "qemu-img convert -O raw IMAGE IMAGE.raw"},
}

// transports are those that are known. A new one is a package with an Open of a
// [Transport], and a line here.
var transports = []Transport{
	{Schemes: []string{"file"}, Open: openFile},
	{Schemes: []string{"nbd", "nbds", "nbd+unix", "nbds+unix"}, Open: cached(nbd.Open)},
	{Schemes: []string{"http", "https"}, Open: cached(httpdisk.Open)},
}
