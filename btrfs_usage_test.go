package unboot_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestBtrfsUsage compares with what btrfs(8) says of the same devices on the host.
func TestBtrfsUsage(t *testing.T) {
	testimg.Need(t, "btrfs")
	for _, c := range []struct {
		profile string
		devices int
	}{
		{"single", 1}, {"dup", 1}, {"raid1", 2}, {"raid10", 4}, {"raid1c3", 3}, {"raid0", 3}, {"raid5", 3}, {"raid6", 4}, {"mixed", 1},
	} {
		t.Run(c.profile, func(t *testing.T) {
			profile := c.profile
			if profile == "mixed" {
				profile = "single -M"
			}
			disks := pool(t, c.devices, profile)
			script := `loops=; options=ro; mkdir -p n
trap 'umount n || true; losetup -d $loops' EXIT
for d in ` + strings.Join(disks, " ") + `; do l=$(losetup -f -r --show $d); loops="$loops $l"; options=$options,device=$l; done
mount -t btrfs -o $options $l n
btrfs filesystem usage -b n`
			host := hostRun(t, t.TempDir(), "sh", "-ec", "PATH=$PATH:/sbin:/usr/sbin\n"+script)
			u, err := mount(t, disks[0], addAll(disks[1:])...).BtrfsUsage(".")
			if err != nil {
				t.Fatal(err)
			}
			number := func(pattern string) string {
				m := regexp.MustCompile(pattern).FindStringSubmatch(host)
				if m == nil {
					return "none"
				}
				return m[1]
			}
			for _, n := range []struct {
				pattern string
				got     uint64
			}{
				{`Device size:\s+(\d+)`, u.Size}, {`Device allocated:\s+(\d+)`, u.Allocated}, {`Device unallocated:\s+(\d+)`, u.Unallocated},
				{`Device missing:\s+(\d+)`, u.Missing}, {`Used:\s+(\d+)`, u.Used}, {`Free \(estimated\):\s+(\d+)`, u.Free},
				{`\(min: (\d+)\)`, u.FreeMin}, {`Global reserve:\s+(\d+)`, u.Reserve},
			} {
				if want := number(n.pattern); strconv.FormatUint(n.got, 10) != want {
					t.Errorf("%s: %d, want %s", n.pattern, n.got, want)
				}
			}
			for _, n := range []struct {
				name string
				got  float64
			}{{"Data", u.DataRatio}, {"Metadata", u.MetadataRatio}} {
				if want := number(n.name + ` ratio:\s+([0-9.]+)`); fmt.Sprintf("%.2f", n.got) != want {
					t.Errorf("%s ratio %.2f, want %s", n.name, n.got, want)
				}
			}
			for _, p := range u.Profiles {
				if line := fmt.Sprintf("%s,%s: Size:%d, Used:%d ", p.Purpose, p.Profile, p.Size, p.Used); !strings.Contains(host, line) {
					t.Errorf("%s is not in\n%s", line, host)
				}
			}
			if len(u.Devices) != c.devices || u.Devices[0].Path != "/dev/sda" {
				t.Errorf("%+v", u.Devices)
			}
		})
	}
}
