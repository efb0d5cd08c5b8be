package part

// Role is what a partition of an MBR table is. All partitions of a GPT are [Primary].
type Role string

// The roles of partitions, as parted(8) calls them.
const (
	Primary  Role = "primary"  // numbers 1 to 4 of an MBR table
	Extended Role = "extended" // a primary one that holds logical ones
	Logical  Role = "logical"  // numbers from 5 on
)

// Role returns what the partition is in a table of a type, which is "gpt" or "dos".
func (p *Partition) Role(table string) Role {
	switch {
	case table != "dos":
		return Primary
	case p.Extended:
		return Extended
	case p.Number > 4:
		return Logical
	}
	return Primary
}

// Spec says what a new partition is to be.
type Spec struct {
	// Number is that of the partition, or 0 for the first free one. Logical
	// partitions are numbered in the order of their places; for them it must be 0.
	Number int
	// Start is in bytes from the start of the disk, a multiple of the sector size.
	// With -1, a place is looked for whose start is a multiple of 1 MiB: the
	// first one that is large enough, or the largest if Size is 0.
	Start int64
	// Size is in bytes, a multiple of the sector size. With 0, it is as much as is
	// free after Start.
	Size int64
	Role Role // "" is Primary
	// Type is as in [Partition]: a GUID, or 0x and two hexadecimal digits. With "",
	// it is that of Linux file systems, or of an extended partition (LBA).
	Type string
	// The rest is for a GPT. With "", UUID is a random one.
	Name       string
	UUID       string
	Attributes uint64
}

// Range is a part of the disk.
type Range struct {
	Start, Size int64 // bytes
}
