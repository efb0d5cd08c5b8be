package server

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/inspect"
)

// ask returns a string that inspection has found out, or "unknown".
func (s *Server) ask(root string, of func(*inspect.Root) string) (string, error) {
	r, err := s.inspected(root)
	if err != nil {
		return "", err
	}
	return cmp.Or(of(r), "unknown"), nil
}

// askWindows is ask for what only Windows has.
func (s *Server) askWindows(root, what string, of func(*inspect.WindowsSystem) string) (string, error) {
	r, err := s.inspected(root)
	if err != nil {
		return "", err
	}
	v := ""
	if r.Windows != nil {
		v = of(r.Windows)
	}
	if v == "" {
		return "", errorf("not a Windows guest, or %s", what)
	}
	return v, nil
}

// InspectGetFormat returns the format of a root.
func (s *Server) InspectGetFormat(ctx context.Context, a *rpc.InspectGetFormatArgs) (string, error) {
	return s.ask(a.Root, func(r *inspect.Root) string { return string(r.Format) })
}

// InspectGetType returns the type of a system.
func (s *Server) InspectGetType(ctx context.Context, a *rpc.InspectGetTypeArgs) (string, error) {
	return s.ask(a.Root, func(r *inspect.Root) string { return string(r.Type) })
}

// InspectGetDistro returns the distribution.
func (s *Server) InspectGetDistro(ctx context.Context, a *rpc.InspectGetDistroArgs) (string, error) {
	return s.ask(a.Root, func(r *inspect.Root) string { return r.Distro })
}

// InspectGetPackageFormat returns the format of packages.
func (s *Server) InspectGetPackageFormat(ctx context.Context, a *rpc.InspectGetPackageFormatArgs) (string, error) {
	return s.ask(a.Root, func(r *inspect.Root) string { return r.PackageFormat })
}

// InspectGetPackageManagement returns the program that installs packages.
func (s *Server) InspectGetPackageManagement(ctx context.Context, a *rpc.InspectGetPackageManagementArgs) (string, error) {
	return s.ask(a.Root, func(r *inspect.Root) string { return r.PackageManagement })
}

// InspectGetProductName returns the name of a system for people.
func (s *Server) InspectGetProductName(ctx context.Context, a *rpc.InspectGetProductNameArgs) (string, error) {
	return s.ask(a.Root, func(r *inspect.Root) string { return cmp.Or(r.Release, r.Product) })
}

// InspectGetProductVariant returns the variant of a Windows. That of others is unknown,
// says guestfs(3).
func (s *Server) InspectGetProductVariant(ctx context.Context, a *rpc.InspectGetProductVariantArgs) (string, error) {
	return s.ask(a.Root, func(r *inspect.Root) string {
		if r.Type != inspect.Windows {
			return ""
		}
		return r.Variant
	})
}

// InspectGetMajorVersion returns the first number of the version, or 0.
func (s *Server) InspectGetMajorVersion(ctx context.Context, a *rpc.InspectGetMajorVersionArgs) (int, error) {
	r, err := s.inspected(a.Root)
	if err != nil {
		return 0, err
	}
	return r.Major, nil
}

// InspectGetMinorVersion returns the second number of the version, or 0.
func (s *Server) InspectGetMinorVersion(ctx context.Context, a *rpc.InspectGetMinorVersionArgs) (int, error) {
	r, err := s.inspected(a.Root)
	if err != nil {
		return 0, err
	}
	return r.Minor, nil
}

// InspectGetArch returns the architecture.
func (s *Server) InspectGetArch(ctx context.Context, a *rpc.InspectGetArchArgs) (string, error) {
	return s.ask(a.Root, func(r *inspect.Root) string { return r.Arch })
}

// InspectGetHostname returns the name of the host.
func (s *Server) InspectGetHostname(ctx context.Context, a *rpc.InspectGetHostnameArgs) (string, error) {
	return s.ask(a.Root, func(r *inspect.Root) string { return r.Hostname })
}

// InspectGetBuildId returns the build of Windows, or BUILD_ID of os-release(5).
func (s *Server) InspectGetBuildId(ctx context.Context, a *rpc.InspectGetBuildIdArgs) (string, error) {
	return s.ask(a.Root, func(r *inspect.Root) string { return r.BuildID })
}

// InspectGetWindowsSystemroot returns the directory of Windows.
func (s *Server) InspectGetWindowsSystemroot(ctx context.Context, a *rpc.InspectGetWindowsSystemrootArgs) (string, error) {
	return s.askWindows(a.Root, "systemroot could not be determined", func(w *inspect.WindowsSystem) string { return w.SystemRoot })
}

// InspectGetWindowsSoftwareHive returns the file of HKLM\SOFTWARE.
func (s *Server) InspectGetWindowsSoftwareHive(ctx context.Context, a *rpc.InspectGetWindowsSoftwareHiveArgs) (string, error) {
	return s.askWindows(a.Root, "software hive not found", func(w *inspect.WindowsSystem) string { return w.SoftwareHive })
}

// InspectGetWindowsSystemHive returns the file of HKLM\SYSTEM.
func (s *Server) InspectGetWindowsSystemHive(ctx context.Context, a *rpc.InspectGetWindowsSystemHiveArgs) (string, error) {
	return s.askWindows(a.Root, "system hive not found", func(w *inspect.WindowsSystem) string { return w.SystemHive })
}

// InspectGetWindowsCurrentControlSet returns the name of the control set in use.
func (s *Server) InspectGetWindowsCurrentControlSet(ctx context.Context, a *rpc.InspectGetWindowsCurrentControlSetArgs) (string, error) {
	return s.askWindows(a.Root, "CurrentControlSet could not be determined", func(w *inspect.WindowsSystem) string { return w.ControlSet })
}

// InspectGetWindowsGroupPolicy reports whether a Windows has policies of a domain.
func (s *Server) InspectGetWindowsGroupPolicy(ctx context.Context, a *rpc.InspectGetWindowsGroupPolicyArgs) (bool, error) {
	r, err := s.inspected(a.Root)
	if err == nil && r.Windows == nil {
		err = errorf("not a Windows guest")
	}
	if err != nil {
		return false, err
	}
	return r.Windows.GroupPolicy, nil
}

// InspectIsLive says no: media that a system runs from are no roots.
func (s *Server) InspectIsLive(ctx context.Context, a *rpc.InspectIsLiveArgs) (bool, error) {
	_, err := s.inspected(a.Root)
	return false, err
}

// InspectIsNetinst says no: media that install a system are no roots.
func (s *Server) InspectIsNetinst(ctx context.Context, a *rpc.InspectIsNetinstArgs) (bool, error) {
	_, err := s.inspected(a.Root)
	return false, err
}

// InspectIsMultipart says no, as InspectIsNetinst.
func (s *Server) InspectIsMultipart(ctx context.Context, a *rpc.InspectIsMultipartArgs) (bool, error) {
	_, err := s.inspected(a.Root)
	return false, err
}

// InspectGetMountpoints returns what is to be mounted where, in an order in which it can
// be mounted.
func (s *Server) InspectGetMountpoints(ctx context.Context, a *rpc.InspectGetMountpointsArgs) ([]rpc.Pair, error) {
	r, err := s.inspected(a.Root)
	if err != nil {
		return nil, err
	}
	list := []rpc.Pair{}
	for _, m := range r.Mounts {
		list = append(list, rpc.Pair{Key: m.Dir, Value: m.Device})
	}
	return list, nil
}

// InspectGetFilesystems returns the devices that belong to a system.
func (s *Server) InspectGetFilesystems(ctx context.Context, a *rpc.InspectGetFilesystemsArgs) ([]string, error) {
	r, err := s.inspected(a.Root)
	if err != nil {
		return nil, err
	}
	return r.Filesystems, nil
}

// InspectGetDriveMappings returns the devices of drive letters.
func (s *Server) InspectGetDriveMappings(ctx context.Context, a *rpc.InspectGetDriveMappingsArgs) ([]rpc.Pair, error) {
	r, err := s.inspected(a.Root)
	if err != nil {
		return nil, err
	}
	list := []rpc.Pair{}
	for _, letter := range slices.Sorted(maps.Keys(r.Drives)) {
		list = append(list, rpc.Pair{Key: letter, Value: r.Drives[letter]})
	}
	return list, nil
}
