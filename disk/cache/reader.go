package cache

// streams is how many places are remembered at which reading may go on.
const streams = 16

// A stream is a place at which somebody reads on.
type stream struct {
	next  int64 // block
	ahead int64 // blocks that were worth fetching ahead
	used  uint64
}

// A reader learns where reading goes on.
type reader struct {
	list  [streams]stream
	clock uint64
}

// note is told of a read of blocks, and returns how many more are worth fetching.
func (r *reader) note(first, last, most int64) (ahead int64) {
	r.clock++
	oldest := &r.list[0]
	for i := range r.list {
		s := &r.list[i]
		if s.used != 0 && first >= s.next-1 && first <= s.next+s.ahead {
			s.used = r.clock
			if last >= s.next {
				// It went on, and will do so for as long again.
				s.ahead = min(max(2*s.ahead, last-first+1), most)
				s.next = last + 1
			}
			return s.ahead
		}
		if s.used < oldest.used {
			oldest = s
		}
	}
	*oldest = stream{last + 1, 0, r.clock}
	return 0
}
