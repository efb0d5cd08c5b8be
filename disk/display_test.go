package disk_test

import (
	"testing"

	"github.com/unboot/unboot/disk"
)

// The name of an image is shown without what is secret in it, and else as it is.
func TestDisplay(t *testing.T) {
	for name, want := range map[string]string{
		"/a/disk.img":                "/a/disk.img",
		"https://u:p@host/a?token=x": "https://u@host/a?…",
		"iscsi://u%25p@host/t/0":     "iscsi://u@host/t/0",
		"rbd:pool/image":             "rbd:pool/image",
		"rbd:pool/image:id=me:key=QVF/+==:mon_host=a\\:6789": "rbd:pool/image:id=me:key=…:mon_host=a\\:6789",
		"RBD:pool/image:key=a\\:b\\\\:keyring=/etc/ceph/me":  "RBD:pool/image:key=…:keyring=/etc/ceph/me",
		"rbd:pool/image:key=abc":                             "rbd:pool/image:key=…",
	} {
		if got := disk.Display(name); got != want {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
	}
}
