package server

import (
	"context"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// Volume managers have nothing to list: programs ask without knowing whether there are
// any, as virt-filesystems does, and want an answer. What looks for volumes or hides them
// succeeds, for virt-format and virt-resize call it whether LVM is available or not. The
// groups are not available.

// Pvs returns LVM's physical volumes.
func (s *Server) Pvs(ctx context.Context) ([]string, error) { return nil, nil }

// Vgs returns LVM's volume groups.
func (s *Server) Vgs(ctx context.Context) ([]string, error) { return nil, nil }

// Lvs returns LVM's logical volumes.
func (s *Server) Lvs(ctx context.Context) ([]string, error) { return nil, nil }

// PvsFull returns LVM's physical volumes.
func (s *Server) PvsFull(ctx context.Context) ([]rpc.LvmPv, error) { return nil, nil }

// VgsFull returns LVM's volume groups.
func (s *Server) VgsFull(ctx context.Context) ([]rpc.LvmVg, error) { return nil, nil }

// LvsFull returns LVM's logical volumes.
func (s *Server) LvsFull(ctx context.Context) ([]rpc.LvmLv, error) { return nil, nil }

// IsLv reports whether a device is a logical volume.
func (s *Server) IsLv(ctx context.Context, a *rpc.IsLvArgs) (bool, error) { return false, nil }

// ListMdDevices returns md arrays.
func (s *Server) ListMdDevices(ctx context.Context) ([]string, error) { return nil, nil }

// ListDmDevices returns devices of the device mapper.
func (s *Server) ListDmDevices(ctx context.Context) ([]string, error) { return nil, nil }

// ListLdmVolumes returns the volumes of Windows dynamic disks.
func (s *Server) ListLdmVolumes(ctx context.Context) ([]string, error) { return nil, nil }

// ListLdmPartitions returns the partitions of Windows dynamic disks.
func (s *Server) ListLdmPartitions(ctx context.Context) ([]string, error) { return nil, nil }

// LvmSetFilter would hide all but some devices from LVM. There is nothing to hide.
func (s *Server) LvmSetFilter(ctx context.Context, a *rpc.LvmSetFilterArgs) error { return nil }

// LvmClearFilter undoes LvmSetFilter.
func (s *Server) LvmClearFilter(ctx context.Context) error { return nil }

// LvmScan looks for volume groups, and finds none.
func (s *Server) LvmScan(ctx context.Context, a *rpc.LvmScanArgs) error { return nil }

// Vgscan is LvmScan of older programs.
func (s *Server) Vgscan(ctx context.Context) error { return nil }

// VgActivateAll activates all volume groups, or stops them.
func (s *Server) VgActivateAll(ctx context.Context, a *rpc.VgActivateAllArgs) error { return nil }

// List9p returns the mount tags of file systems that the host shares. There are none.
func (s *Server) List9p(ctx context.Context) ([]string, error) { return nil, nil }
