// Package remote is for programs that open images by every transport that there is, with those
// that take more modules than most programs want: see [Sources].
package remote

import (
	"github.com/unboot/unboot/disk/ftpdisk"
	"github.com/unboot/unboot/disk/ocidisk"
	"github.com/unboot/unboot/disk/qemudisk"
	"github.com/unboot/unboot/disk/s3disk"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/disk/sshdisk"
)

// Sources returns the formats and transports of [source.Known], and with them
//
//   - ssh:// and sftp://: see package sshdisk;
//   - s3://: see package s3disk;
//   - oci:// and docker://: see package ocidisk;
//   - ftp://, ftps:// and ftpes://: see package ftpdisk.
//
// It is what unboot.Sources takes.
func Sources() *source.Registry {
	r := source.Known()
	r.Transports = append(r.Transports,
		source.Transport{Schemes: []string{"ssh", "sftp"}, Open: source.Cached(sshdisk.Open)},
		source.Transport{Schemes: []string{"s3"}, Open: source.Cached(s3disk.Open)},
		source.Transport{Schemes: []string{"oci", "docker"}, Open: source.Cached(ocidisk.Open)},
		source.Transport{Schemes: []string{"ftp", "ftps", "ftpes"}, Open: source.Cached(ftpdisk.Open)},
	)
	return r
}

// ViaQEMU returns what [Sources] does, except that QEMU reaches what it knows: see package
// qemudisk. Addresses such as rbd:POOL/IMAGE and iscsi://HOST/TARGET/LUN are known then, too.
func ViaQEMU() *source.Registry {
	r := Sources()
	// The first of a scheme counts.
	r.Transports = append([]source.Transport{{Schemes: qemudisk.Schemes, Open: source.Cached(qemudisk.Open)}}, r.Transports...)
	return r
}
