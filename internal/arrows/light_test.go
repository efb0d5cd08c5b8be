package arrows

import (
	"os/exec"
	"strings"
	"testing"
)

// Those who import package unboot alone compile nothing that few of them need.
func TestLight(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		for _, heavy := range []string{"golang.org/x/crypto/ssh", "github.com/pkg/sftp", "github.com/minio", "github.com/aws", "github.com/google/go-containerregistry"} {
			if under(pkg, heavy) {
				t.Errorf("package unboot needs %s", pkg)
			}
		}
	}
}
