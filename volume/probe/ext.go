package probe

import "fmt"

// ext2, ext3, ext4 and their external journals share one superblock. Which of
// them it is depends on the features it uses:
// https://docs.kernel.org/filesystems/ext4/globals.html#super-block
const (
	extHasJournal   = 0x4 // compatible
	extFiletype     = 0x2 // incompatible, and so on
	extRecover      = 0x4
	extJournalDev   = 0x8
	extMetaBG       = 0x10
	ext64bit        = 0x80
	extSparseSuper  = 0x1 // read-only compatible, and so on
	extLargeFile    = 0x2
	extBtreeDir     = 0x4
	extTestFS       = 0x4 // in the flags
	ext3ROCompat    = extSparseSuper | extLargeFile | extBtreeDir
	ext2Incompat    = extFiletype | extMetaBG
	ext3Incompat    = ext2Incompat | extRecover
	extSuperblock   = 1024
	extMaxBlockBits = 6 // 64 KiB
)

func probeExt(s *source) *Info {
	sb := s.at(extSuperblock, 1024)
	if sb.le16(56) != 0xef53 {
		return nil
	}
	bits := sb.le32(24)
	if bits > extMaxBlockBits {
		return nil
	}
	compat, incompat, rocompat := sb.le32(92), sb.le32(96), sb.le32(100)
	info := &Info{
		Label:     label(sb.sub(120, 16)),
		UUID:      uuid(sb.sub(104, 16)),
		Version:   fmt.Sprintf("%d.%d", sb.le32(76), sb.le16(62)),
		BlockSize: 1024 << bits,
	}
	blocks := uint64(sb.le32(4))
	if incompat&ext64bit != 0 {
		blocks |= uint64(sb.le32(336)) << 32
	}
	info.Size = mul(blocks, 1024<<bits)
	if compat&extHasJournal != 0 && sb.le32(224) == 0 { // the journal's inode
		info.Journal = uuid(sb.sub(208, 16))
	}

	// The order is blkid's. Programs mount by these names, so an ext3 that only an ext4
	// driver can mount must not be called ext3.
	switch {
	case incompat&extJournalDev != 0:
		info.Type, info.Usage = "jbd", Other
	case sb.le32(352)&extTestFS != 0:
		info.Type = "ext4dev"
	case rocompat&^ext3ROCompat != 0 || incompat&^ext3Incompat != 0:
		info.Type = "ext4"
	case compat&extHasJournal != 0:
		info.Type = "ext3"
	case incompat&^ext2Incompat == 0:
		info.Type = "ext2"
	default:
		info.Type = "ext4" // to be recovered, but without a journal: damaged
	}
	return info
}
