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
}

// groupTools are programs of the host without which a group is not available.
var groupTools = map[string][]string{
	"btrfs":     {"mkfs.btrfs", "btrfs", "btrfstune", "btrfs-image"},
	"f2fs":      {"resize.f2fs"},
	"ntfs3g":    {"ntfs-3g.probe", "ntfsclone", "ntfsfix"},
	"ntfsprogs": {"ntfsresize"},
	"wipefs":    {"wipefs"},
	"xfs":       {"xfs_admin", "xfs_repair"},
	"zerofree":  {"zerofree"},
}

// notNecessary are procedures that a group had not when programs learned to ask for it.
var notNecessary = []uint32{rpc.ProcNtfsChmod}

// InternalFeatureAvailable answers guestfs_available and guestfs_feature_available.
func (s *Server) InternalFeatureAvailable(ctx context.Context, a *rpc.InternalFeatureAvailableArgs) (int, error) {
	if f := groupExceptions[a.Group]; f != nil {
		return availability(f(s)), nil
	}
	for _, g := range rpc.Groups {
		if g.Name == a.Group {
			missing := slices.ContainsFunc(g.Procedures, func(p uint32) bool {
				return !s.answers(p) && !slices.Contains(notNecessary, p)
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
