package server

import (
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/testimg"
)

func TestSfdisk(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "sfdisk")
	disk := image(t, 64)
	c := connect(t, Drive{Path: disk})
	check := func(want string) {
		t.Helper()
		wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{})
		if got := hostTable(t, disk); got != want {
			t.Errorf("sfdisk says\n%swant\n%s", got, want)
		}
	}
	wantOK(t, c, rpc.ProcSfdiskM, &rpc.SfdiskMArgs{Device: "/dev/sda", Lines: []string{",8,L,*", ",8,S", ","}})
	check("dos\n1 2048+16384 83 *\n2 18432+16384 82\n3 34816+96256 83\n")
	wantOK(t, c, rpc.ProcSfdisk, &rpc.SfdiskArgs{Device: "/dev/sda", Lines: []string{"2048,4096", "8192,,E", "", ""}[:2]})
	check("dos\n1 2048+4096 83\n2 8192+122880 5\n")
	wantOK(t, c, rpc.ProcSfdiskN, &rpc.SfdiskNArgs{Device: "/dev/sda", Partnum: 1, Line: ",2048,7"})
	check("dos\n1 2048+2048 7\n2 8192+122880 5\n")
	wantError(t, c, rpc.ProcSfdisk, &rpc.SfdiskArgs{Device: "/dev/sda", Lines: []string{"x"}}, `sfdisk: "x": .*`)
	if l, err := text(c, rpc.ProcSfdiskL, &rpc.SfdiskLArgs{Device: "/dev/sda"}); err != nil || !strings.Contains(l, "/dev/sda2               8192       131071       122880 extended\n") {
		t.Errorf("%v\n%s", err, l)
	}
	wantText(t, c, rpc.ProcSfdiskDiskGeometry, &rpc.SfdiskDiskGeometryArgs{Device: "/dev/sda"}, "/dev/sda: 8 cylinders, 255 heads, 63 sectors/track\n")
}
