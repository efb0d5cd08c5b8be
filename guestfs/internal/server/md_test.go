package server

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testvol"
)

// TestMD compares what is said of arrays with what mdadm printed when the fixture was made.
func TestMD(t *testing.T) {
	const fixtureName = "md-levels"
	c := fixture(t, fixtureName)
	arrays := list(t, c, rpc.ProcListMdDevices)
	if len(arrays) != 10 || arrays[0] != "/dev/md118" || arrays[9] != "/dev/md127" {
		t.Fatalf("%q", arrays)
	}
	recorded := map[string][3]string{} // level, devices and name by UUID
	field := func(text, name string) string {
		m := regexp.MustCompile(`(?m)^ *` + name + ` : (.*)$`).FindStringSubmatch(text)
		if m == nil {
			return ""
		}
		return strings.TrimSpace(m[1])
	}
	for _, text := range strings.Split(testvol.Record(t, fixtureName, "detail.txt"), "# md/")[1:] {
		recorded[field(text, "UUID")] = [3]string{field(text, "Raid Level"), field(text, "Raid Devices"), field(text, "Name")}
	}
	for _, md := range arrays {
		detail := map[string]string{}
		err := invoke(c, rpc.ProcMdDetail, &rpc.MdDetailArgs{Md: md}, func(x *xdr.Codec) {
			var v []rpc.Pair
			rpc.CodePairs(x, &v)
			for _, p := range v {
				detail[p.Key] = p.Value
			}
		})
		if err != nil {
			t.Error(err)
		}
		want, ok := recorded[detail["uuid"]]
		if got := [3]string{detail["level"], detail["devices"], detail["name"]}; !ok || got != want || detail["metadata"] != "1.2" {
			t.Errorf("%s: %q, and should be %q", md, detail, want)
		}
		for _, m := range structs[rpc.Mdstat](t, c, rpc.ProcMdStat, &rpc.MdStatArgs{Md: md}) {
			key := "device_" + strings.ReplaceAll(strings.TrimPrefix(m.MdstatDevice, "/"), "/", "_")
			if detail[key+"_role"] != fmt.Sprint(m.MdstatIndex) || detail[key+"_dev"] != m.MdstatDevice || m.MdstatFlags != "" {
				t.Errorf("%s: %+v, and %q", md, m, detail)
			}
			delete(detail, key+"_dev")
		}
		for key := range detail {
			if strings.HasSuffix(key, "_dev") {
				t.Errorf("%s: %s is not in md_stat", md, key)
			}
		}
	}
	const none = "mdadm exited with status 1: mdadm: /dev/sda does not appear to be an md device"
	wantError(t, c, rpc.ProcMdDetail, &rpc.MdDetailArgs{Md: "/dev/sda"}, none)
	wantError(t, c, rpc.ProcMdStop, &rpc.MdStopArgs{Md: "/dev/sda"}, none)
	wantOK(t, c, rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: "/dev/md126", Mountpoint: "/"})
	wantError(t, c, rpc.ProcMdStop, &rpc.MdStopArgs{Md: "/dev/md126"}, "mdadm: Cannot get exclusive access to /dev/md126:.*")
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	wantOK(t, c, rpc.ProcMdStop, &rpc.MdStopArgs{Md: "/dev/md126"})
	if got := list(t, c, rpc.ProcListMdDevices); len(got) != 9 || slices.Contains(got, "/dev/md126") {
		t.Errorf("after md_stop: %q", got)
	}
}

// TestMDPartitions lists the partitions of an array after those of disks, and no file system
// on the array itself.
func TestMDPartitions(t *testing.T) {
	c := fixture(t, "md-partitioned")
	wantWords(t, c, rpc.ProcListPartitions, &rpc.None{}, "/dev/md127p1 /dev/md127p2")
	if got, err := hashtable(c, rpc.ProcListFilesystems, &rpc.None{}); err != nil || got != "/dev/md127p1: ext4\n/dev/md127p2: ext4\n" {
		t.Errorf("list_filesystems: %v\n%s", err, got)
	}
	wantText(t, c, rpc.ProcPartToDev, &rpc.PartToDevArgs{Partition: "/dev/md127p2"}, "/dev/md127")
	wantNumber(t, c, rpc.ProcPartToPartnum, &rpc.PartToPartnumArgs{Partition: "/dev/md127p2"}, 2)
	wantNumber(t, c, rpc.ProcIsWholeDevice, &rpc.IsWholeDeviceArgs{Device: "/dev/md127"}, 0)
	wantText(t, c, rpc.ProcPartGetParttype, &rpc.PartGetParttypeArgs{Device: "/dev/md127"}, "gpt")
	wantError(t, c, rpc.ProcPartDel, &rpc.PartDelArgs{Device: "/dev/md127", Partnum: 1}, "/dev/md127: not a disk")
	wantOK(t, c, rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: "/dev/md127p2", Mountpoint: "/"})
}

func TestCompareNames(t *testing.T) {
	sorted := []string{"/dev/md2", "/dev/md127", "/dev/md0p1", "/dev/sda", "/dev/sda2", "/dev/sda10", "/dev/sdb1", "/dev/md10p1", "/dev/sdaa1", "/dev/md127p2", "/dev/md127p11"}
	got := slices.Clone(sorted)
	slices.Reverse(got)
	slices.SortFunc(got, compareNames)
	if !slices.Equal(got, sorted) {
		t.Errorf("%q", got)
	}
}
