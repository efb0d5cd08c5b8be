package server

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/testimg"
)

// TestLDM compares what is said of dynamic disks with what ldmtool prints of their images.
func TestLDM(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "xz", "ldmtool")
	packed, _ := filepath.Glob("../../../../shared/cases/files/mdbooth.libldm-ldm-2003r2-s*.img.xz")
	if len(packed) < 3 {
		t.Skip("the images of libldm are not there")
	}
	var disks []Drive
	var args []string
	for _, p := range packed {
		disk := filepath.Join(t.TempDir(), "disk")
		testimg.MustRun(t, "sh", "-c", "xz -dc "+p+" | dd bs=64k conv=sparse status=none of="+disk)
		disks = append(disks, Drive{Path: disk, ReadOnly: true})
		args = append(args, "-d", disk)
	}
	show := func(v any, what ...string) {
		t.Helper()
		out, err := exec.Command("ldmtool", append(args[:len(args):len(args)], what...)...).Output()
		if err == nil {
			err = json.Unmarshal(out, v)
		}
		if err != nil {
			t.Fatalf("ldmtool %q: %v", what, err)
		}
	}
	c := connect(t, disks...)
	var groups []string
	show(&groups, "scan")
	wantWords(t, c, rpc.ProcLdmtoolScan, &rpc.None{}, strings.Join(groups, " "))
	wantWords(t, c, rpc.ProcLdmtoolScanDevices, &rpc.LdmtoolScanDevicesArgs{Devices: []string{"/dev/vda"}}, strings.Join(groups, " "))
	for _, guid := range groups {
		var g struct {
			Name           string
			Volumes, Disks []string
		}
		show(&g, "show", "diskgroup", guid)
		wantText(t, c, rpc.ProcLdmtoolDiskgroupName, &rpc.LdmtoolDiskgroupNameArgs{Diskgroup: guid}, g.Name)
		wantWords(t, c, rpc.ProcLdmtoolDiskgroupVolumes, &rpc.LdmtoolDiskgroupVolumesArgs{Diskgroup: guid}, strings.Join(g.Volumes, " "))
		wantWords(t, c, rpc.ProcLdmtoolDiskgroupDisks, &rpc.LdmtoolDiskgroupDisksArgs{Diskgroup: guid}, strings.Join(g.Disks, " "))
		for _, name := range g.Volumes {
			var v struct {
				Type, Hint string
				Partitions []string
			}
			show(&v, "show", "volume", guid, name)
			wantText(t, c, rpc.ProcLdmtoolVolumeType, &rpc.LdmtoolVolumeTypeArgs{Diskgroup: guid, Volume: name}, v.Type)
			wantText(t, c, rpc.ProcLdmtoolVolumeHint, &rpc.LdmtoolVolumeHintArgs{Diskgroup: guid, Volume: name}, v.Hint)
			wantWords(t, c, rpc.ProcLdmtoolVolumePartitions, &rpc.LdmtoolVolumePartitionsArgs{Diskgroup: guid, Volume: name}, strings.Join(v.Partitions, " "))
		}
		wantError(t, c, rpc.ProcLdmtoolVolumeType, &rpc.LdmtoolVolumeTypeArgs{Diskgroup: guid, Volume: "none"}, "No such volume none in disk group "+guid)
	}
	wantError(t, c, rpc.ProcLdmtoolDiskgroupName, &rpc.LdmtoolDiskgroupNameArgs{Diskgroup: "none"}, "No such disk group: none")

	// Of the group's volumes two have all their disks.
	volumes := list(t, c, rpc.ProcListLdmVolumes)
	if len(volumes) != 2 || !strings.HasPrefix(volumes[0], "/dev/mapper/ldm_vol_") {
		t.Fatalf("%q", volumes)
	}
	want := volumes[0] + ": ntfs\n" + volumes[1] + ": ntfs\n"
	for _, step := range []struct {
		proc uint32
		want string
	}{{rpc.ProcLdmtoolCreateAll, want}, {rpc.ProcLdmtoolRemoveAll, ""}, {rpc.ProcLdmtoolCreateAll, want}} {
		wantOK(t, c, step.proc, &rpc.None{})
		if got, err := hashtable(c, rpc.ProcListFilesystems, &rpc.None{}); err != nil || got != step.want {
			t.Errorf("list_filesystems after %s: %v\n%s", rpc.Lookup(step.proc).Name, err, got)
		}
	}
}
