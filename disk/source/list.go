package source

import (
	"github.com/unboot/unboot/disk/httpdisk"
	"github.com/unboot/unboot/disk/nbd"
	"github.com/unboot/unboot/disk/qcow2"
	"github.com/unboot/unboot/disk/simg"
)

// formats are those that are known. A new one is a package with the functions of a
// [Format], and a line here.
var formats = []Format{
	{Name: "raw", Open: openRaw, Stat: statRaw, Writable: true},
	{Name: "qcow2", Match: qcow2.Match, Open: qcow2.Open, Stat: qcow2.Stat, Convert: "qemu-img convert -O raw IMAGE IMAGE.raw"},
	{Name: "simg", Match: simg.Match, Open: simg.Open, Stat: simg.Stat, Convert: "simg2img IMAGE IMAGE.raw"},
}

// transports are those that are known. A new one is a package with an Open of a
// [Transport], and a line here.
var transports = []Transport{
	{Schemes: []string{"file"}, Open: openFile},
	{Schemes: []string{"nbd", "nbds", "nbd+unix", "nbds+unix"}, Open: cached(nbd.Open)},
	{Schemes: []string{"http", "https"}, Open: cached(httpdisk.Open)},
}
