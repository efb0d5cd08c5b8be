package hv

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestNetwork: programs of the guest have a network if the library wants one for them, as
// virt-customize does, and reach what the user allows.
func TestNetwork(t *testing.T) {
	testimg.Need(t, "guestfish")
	e := testEnv(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "served") }))
	defer srv.Close()
	_, port, _ := strings.Cut(srv.Listener.Addr().String(), ":")
	image := testimg.Busybox(t)
	fetch := func(network, allow string) (string, error) {
		cmd := exec.Command("guestfish", "--ro", "--format=raw", "-a", image, "set-network", network, ":", "run", ":", "mount-ro", "/dev/sda", "/", ":",
			"sh", "busybox wget -q -O - http://10.0.2.2:"+port+"/")
		cmd.Env = append(append(os.Environ(), e.Variables()...), "UNBOOT_NETWORK_ALLOW="+allow)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := fetch("true", "private, host:"+port)
	if strings.Contains(out, "Function not implemented") {
		t.Skip(out)
	}
	if err != nil || strings.TrimSpace(out) != "served" {
		t.Errorf("%v: %s", err, out)
	}
	for _, c := range [][2]string{{"true", ""}, {"false", "host:" + port}} {
		if out, err := fetch(c[0], c[1]); err == nil || strings.Contains(out, "served") {
			t.Errorf("%q: %s", c, out)
		}
	}
	if out, err := fetch("true", "everything"); err == nil || !strings.Contains(out, "wget") {
		t.Errorf("%v: %s", err, out)
	}
}
