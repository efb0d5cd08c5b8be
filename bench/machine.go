package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine describes what the figures were measured on.
func (e *env) machine() string {
	var u unix.Utsname
	unix.Uname(&u)
	var info unix.Sysinfo_t
	unix.Sysinfo(&info)
	kind := ""
	if strings.Contains(cpuinfo("flags"), " hypervisor") {
		kind = ", a virtual machine"
	}
	out, err := exec.Command(e.unboot, "version").Output()
	if err != nil {
		out = []byte("unboot: " + err.Error())
	}
	return fmt.Sprintf("%s, %d processors%s, %d GiB of memory; Linux %s; images on %s; %s. Load average before: %s, after: %s.\n"+
		"Measured: %s.\n",
		cpuinfo("model name"), runtime.NumCPU(), kind, (uint64(info.Totalram)*uint64(info.Unit)+1<<29)>>30,
		unix.ByteSliceToString(u.Release[:]), fsName(e.work), runtime.Version(), e.load, loadAverage(),
		strings.Join(strings.Split(strings.TrimSpace(string(out)), "\n"), ", "))
}

func cpuinfo(field string) string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(data)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == field {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func fsName(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "?"
	}
	names := map[int64]string{
		unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs",
		unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlayfs", unix.F2FS_SUPER_MAGIC: "f2fs",
	}
	if name := names[int64(st.Type)]; name != "" {
		return name
	}
	return fmt.Sprintf("a file system of type %#x", st.Type)
}
