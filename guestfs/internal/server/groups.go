package server

import (
	"context"
	"slices"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/augeas"
	"github.com/unboot/unboot/internal/hosttool"
)

// What internal_feature_available answers.
const (
	groupAvailable    = 0
	groupNotAvailable = 1
	groupUnknown      = 2
)

// groupExceptions are groups for which it is not enough to have all methods, or not
// necessary. A function reports whether the group is available.
var groupExceptions = map[string]func(*Server) bool{
	// No longer groups, but programs may ask.
	"augeas":   func(s *Server) bool { return hosttool.Has(augeas.Tools...) },
	"realpath": func(*Server) bool { return true },
	// Either will do.
	"grub": func(*Server) bool { return hosttool.Has("grub-install") || hosttool.Has("grub2-install") },
	// There is no SELinux in the kernel. Labels can be set all the same.
	"selinux": func(*Server) bool { return false },
	"selinuxrelabel": func(s *Server) bool {
		return hosttool.Has("setfiles") || s.mounted() && s.hasProgram(guestSetfiles...)
	},
}

// groupTools are programs of the host without which a group is not available.
var groupTools = map[string][]string{
	"btrfs":      {"mkfs.btrfs", "btrfs", "btrfstune", "btrfs-image"},
	"clevisluks": {"clevis-luks-pass"},
	"extlinux":   {"extlinux"},
	"f2fs":       {"resize.f2fs"},
	"libtsk":     {"fls"},
	"libyara":    {"yara"},
	"lvm2":       {"lvm"},
	"mdadm":      {"mdadm"},
	"ntfs3g":     {"ntfs-3g.probe", "ntfsclone", "ntfsfix"},
	"ntfsprogs":  {"ntfsresize"},
	"rsync":      {"rsync"},
	"sleuthkit":  {"icat", "blkls"},
	"squashfs":   {"mksquashfs"},
	"syslinux":   {"syslinux"},
	"wipefs":     {"wipefs"},
	"xfs":        {"xfs_admin", "xfs_repair"},
	"zerofree":   {"zerofree"},
}

// InternalFeatureAvailable answers guestfs_available and guestfs_feature_available.
func (s *Server) InternalFeatureAvailable(ctx context.Context, a *rpc.InternalFeatureAvailableArgs) (int, error) {
	if f := groupExceptions[a.Group]; f != nil {
		return availability(f(s)), nil
	}
	for _, g := range rpc.Groups {
		if g.Name == a.Group {
			missing := slices.ContainsFunc(g.Procedures, func(p uint32) bool {
				return !s.answers(p)
			})
			return availability(!missing && hosttool.Has(groupTools[g.Name]...)), nil
		}
	}
	return groupUnknown, nil
}

func availability(ok bool) int {
	if ok {
		return groupAvailable
	}
	return groupNotAvailable
}

// AvailableAllGroups returns the names of all groups, available or not.
func (s *Server) AvailableAllGroups(ctx context.Context) ([]string, error) {
	var names []string
	for _, g := range rpc.Groups {
		names = append(names, g.Name)
	}
	for name := range groupExceptions {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
