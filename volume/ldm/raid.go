package ldm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/volume"
)

// A leg is a member of a mirror or of a RAID 5.
type leg struct {
	device   *volume.Volume
	hidden   []*volume.Volume // what it lies on, and itself
	err      error            // why there is no device
	doubtful bool
	what     string
}

// raid5 returns the table of a component with parity. It rotates as MD's left-symmetric
// layout does.
func (b *builder) raid5(c *Component) ([]volume.Target, error) {
	columns, err := b.columns(c)
	if err != nil {
		return nil, err
	}
	data := int64(len(columns) - 1)
	if data < 2 || b.v.Size%(data*c.Chunk) != 0 { // two columns would be a mirror
		return nil, fmt.Errorf("its %d bytes are not divisible by %d columns with chunks of %d bytes", b.v.Size, data, c.Chunk)
	}
	legs := make([]*leg, len(columns))
	for i, column := range columns {
		l := &leg{what: fmt.Sprintf("column %d", i)}
		if len(column) == 1 {
			l.what = fmt.Sprintf("partition %q", column[0].Name)
		}
		for _, p := range column {
			l.doubtful = l.doubtful || p.uncertain()
		}
		mark := len(b.hidden)
		if table, err := b.linear(column); err != nil {
			l.err = err
		} else if tableSize(table) < b.v.Size/data {
			l.err = fmt.Errorf("the %s is smaller than its part of the volume", l.what)
		} else if len(column) == 1 {
			l.device = b.partition(column[0], table)
		} else {
			l.device = b.column(c, i, table)
		}
		b.keep(l, mark)
		legs[i] = l
	}
	return b.raid("raid5_ls", c.Chunk/volume.SectorSize, b.v.Size, 1, legs)
}

// raid returns a table of the target raid over the legs, of which spare may be missing.
// Legs that may not be up to date are left out as far as they are not needed.
func (b *builder) raid(level string, chunk, size int64, spare int, legs []*leg) ([]volume.Target, error) {
	missing, doubtful := 0, 0
	for _, l := range legs {
		switch {
		case l.err != nil:
			missing++
		case l.doubtful:
			doubtful++
		}
	}
	if missing > spare {
		for _, l := range legs {
			if l.err != nil {
				b.problems = append(b.problems, l.err.Error())
			}
		}
		return nil, fmt.Errorf("%d of %d parts are missing", missing, len(legs))
	}
	drop := doubtful > 0 && missing+doubtful <= spare
	t := volume.Target{Length: size / volume.SectorSize, Type: "raid"}
	var params strings.Builder
	fmt.Fprintf(&params, "%s 2 %d nosync %d", level, chunk, len(legs))
	for _, l := range legs {
		switch {
		case l.err != nil:
			b.doubt("it is degraded: %v", l.err)
		case l.doubtful && drop:
			b.doubt("it is degraded: the %s may not be up to date, and is not used", l.what)
		default:
			if l.doubtful {
				b.doubt("the %s may not be up to date", l.what)
			}
			params.WriteString(" - @")
			t.Devices = append(t.Devices, l.device)
			b.hidden = append(b.hidden, l.hidden...)
			continue
		}
		params.WriteString(" - -")
	}
	t.Params = params.String()
	return []volume.Target{t}, nil
}

// keep sets aside the hidden devices that were made for a leg, until it is known to be used.
func (b *builder) keep(l *leg, mark int) {
	l.hidden = slices.Clone(b.hidden[mark:])
	b.hidden = b.hidden[:mark]
}
