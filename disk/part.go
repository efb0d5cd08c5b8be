package disk

import "iter"

const (
	// mostData is how much is read and written at a time, in bytes, unless what is to be
	// written at a time is more.
	mostData = 1 << 20
	// mostZeros is how much is made zeros at a time, in bytes.
	mostZeros = 1 << 30
)

// A part of a disk, which one worker deals with.
type part struct {
	off, end int64
	class    class
}

// class is what is to be done with a part.
type class uint8

const (
	data class = iota
	zeros
	nothing
)

// classify returns the class of an extent when all of a disk counts.
func classify(e Extent) class {
	if e.Kind == Hole || e.Kind == Zero {
		return zeros
	}
	return data
}

// classifyTop returns the class of an extent when only what a disk has itself counts.
func classifyTop(e Extent) class {
	if e.Kind == Hole || e.Depth != 0 {
		return nothing
	}
	return classify(e)
}

// extents returns how a range of a disk is stored, as far as it can say.
func extents(d Device, off, n int64) iter.Seq2[Extent, error] {
	n = min(n, d.Size()-off)
	if e, ok := As[Extenter](d); ok {
		return e.Extents(off, n)
	}
	return func(yield func(Extent, error) bool) {
		if n > 0 {
			yield(Extent{Start: off, Size: n, Kind: Data}, nil)
		}
	}
}

// runs returns the parts of different classes that extents make up, which meet on
// multiples of a grain: a grain of more than one class is data. They are a range of a disk.
func runs(extents iter.Seq2[Extent, error], classify func(Extent) class, grain, off, end int64) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		run, last := part{off: off, end: off}, end
		for e, err := range extents {
			if err != nil {
				yield(part{}, err)
				return
			}
			// The last grain may have gone beyond the extent that it began in.
			start, end := max(e.Start, run.end), e.Start+e.Size
			if start >= end {
				continue
			}
			is := classify(e)
			if is != run.class && start%grain != 0 {
				edge := start - start%grain
				if run.class != data {
					run.end = edge
					if run.off < run.end && !yield(run, nil) {
						return
					}
					run = part{off: edge, class: data}
				}
				run.end = min(edge+grain, last)
				if start = run.end; start >= end {
					continue
				}
			}
			if is != run.class {
				if run.off < run.end && !yield(run, nil) {
					return
				}
				run = part{off: start, class: is}
			}
			run.end = end
		}
		if run.off < run.end {
			yield(run, nil)
		}
	}
}

// cut makes of runs parts none of which takes long, and of data none that has more than
// piece bytes. Pieces end on multiples of that.
func cut(runs iter.Seq2[part, error], piece int64) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		for r, err := range runs {
			if err != nil {
				yield(r, err)
				return
			}
			most := int64(mostZeros)
			if r.class == data {
				most = piece
			}
			for off := r.off; off < r.end; {
				p := part{off, min(r.end, off+most-off%most), r.class}
				if !yield(p, nil) {
					return
				}
				off = p.end
			}
		}
	}
}
