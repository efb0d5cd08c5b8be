package filetype

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// describeMBR lists the partitions, with the cylinders, heads and sectors that a BIOS once
// went by, as file(1) prints them.
func describeMBR(head []byte) string {
	var b strings.Builder
	for i := range 4 {
		e := head[446+16*i:][:16]
		if e[4] == 0 {
			continue
		}
		fmt.Fprintf(&b, "; partition %d : ID=%#x,", i+1, e[4])
		if e[0]&0x80 != 0 {
			b.WriteString(" active,")
		}
		chs := func(c []byte) string {
			return fmt.Sprintf("(%#x,%d,%d)", int(c[2])|int(c[1]&0xc0)<<2, c[0], c[1]&0x3f)
		}
		fmt.Fprintf(&b, " start-CHS %s, end-CHS %s, startsector %d, %d sectors", chs(e[1:]), chs(e[5:]),
			binary.LittleEndian.Uint32(e[8:]), binary.LittleEndian.Uint32(e[12:]))
	}
	return b.String()
}
