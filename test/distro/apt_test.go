package distro

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/usernet"
)

// mirrorURL is where both worlds look for packages: a proxy has them.
const mirrorURL = "http://mirror.invalid/"

// installation has apt-get install the packages of a mirror; the proxy's address is its argument.
const installation = `
apt="apt-get -qq -y -o Acquire::http::Proxy=http://$1 -o Acquire::Languages=none -o Dpkg::Use-Pty=0"
printf 'deb [trusted=yes] ` + mirrorURL + ` ./\n' >/etc/apt/sources.list &&
rm -rf /etc/apt/sources.list.d/* && $apt update 2>&1 && $apt install --no-install-recommends %s 2>&1`

// TestInstall installs 20 packages from a server of the host, in a guest with a network and in a
// chroot. The tree is the same afterwards.
func TestInstall(t *testing.T) {
	if !testimg.Thorough() {
		t.Skip("downloads packages once, and a minute: set UNBOOT_TEST_ALL")
	}
	testimg.NeedRoot(t)
	image := testimg.Debian(t, "ext4")
	mirror := testimg.DebianMirror(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	rig.Check(t, "listen", err)
	server := &http.Server{Handler: http.FileServer(http.Dir(mirror))}
	go server.Serve(l)
	defer server.Close()
	port := l.Addr().(*net.TCPAddr).Port
	network, err := usernet.New(usernet.Config{Allow: []string{fmt.Sprintf("host:%d", port)}})
	rig.Check(t, "network", err)

	before := time.Now().Add(-2 * time.Second)
	images := [2]string{testimg.Writable(t, image), testimg.Writable(t, image)}
	ours := newLibrary(t, images[0], unboot.WithNetwork(network))
	theirs := newChroot(t, images[1], loopOptions(testimg.DebianRootOffset, ""))
	theirs.network = true
	script := fmt.Sprintf(installation, strings.Join(testimg.MirrorPackages, " "))
	var took [2]time.Duration
	for i, w := range []struct {
		world
		proxy string
	}{{ours, "10.0.2.2"}, {theirs, "127.0.0.1"}} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
		r := w.run(ctx, "/", strings.ReplaceAll(script, "$1", fmt.Sprintf("%s:%d", w.proxy, port)))
		cancel()
		took[i] = r.took
		if r.status != "0" {
			t.Fatalf("%T: status %s:\n%s%s\n%s", w.world, r.status, r.stdout.Bytes(), r.stderr.Bytes(), ours.lastLog())
		}
	}
	t.Logf("%d packages: %.1f s, in the chroot %.1f s: %.2f times", len(testimg.MirrorPackages),
		took[0].Seconds(), took[1].Seconds(), took[0].Seconds()/took[1].Seconds())
	ours.close(t)
	testimg.MustRun(t, "sync", "-f", theirs.root)
	mounted := testimg.Loop(t, images[0], "ext4", loopOptions(testimg.DebianRootOffset, "ro"))
	_, paths := known(t)
	judgeTrees(t, readTree(t, mounted, before), readTree(t, theirs.root, before), paths, nil)
}
