// Package xfs reads the geometry of an XFS, mounted or not, and grows a mounted one, as
// xfs_info(8) and xfs_growfs(8) do. The structures are those of the kernel's
// fs/xfs/libxfs/xfs_fs.h and xfs_format.h.
package xfs

import "github.com/unboot/unboot/internal/fsctl"

// An FS is a mounted XFS, named by a file of it that is open.
type FS fsctl.File

const ioctlType = 'X'
