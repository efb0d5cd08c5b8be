package capability

import (
	"slices"
	"strings"
)

// flags returns the sets that a capability is in, a bit each.
func (c *Sets) flags(capability int) (flags int) {
	for i := range c {
		flags |= int(c[i]>>capability&1) << i
	}
	return flags
}

// String returns the text form of cap_to_text(3): what most capabilities have is said of all, then what
// others have in more or less, from those in all sets down.
func (c *Sets) String() string {
	var count [8]int
	for i := range names {
		count[c.flags(i)]++
	}
	base := 0
	for f := range count {
		if count[f] >= count[base] && f != base && (count[f] > count[base] || f == 0) {
			base = f
		}
	}
	var clauses []string
	if base != 0 {
		clauses = append(clauses, "="+setNames(base))
	}
	for f := len(count) - 1; f >= 0; f-- {
		if f == base || count[f] == 0 {
			continue
		}
		var list []string
		for i, name := range names {
			if c.flags(i) == f {
				list = append(list, name)
			}
		}
		clause := strings.Join(list, ",")
		switch {
		case base == 0:
			clauses = append(clauses, clause+"="+setNames(f))
		default:
			if add := f &^ base; add != 0 {
				clause += "+" + setNames(add)
			}
			if drop := base &^ f; drop != 0 {
				clause += "-" + setNames(drop)
			}
			clauses = append(clauses, clause)
		}
	}
	if clauses == nil {
		return "="
	}
	return strings.Join(clauses, " ")
}

func setNames(f int) string {
	s := ""
	for i := range len(letters) {
		if f>>i&1 != 0 {
			s += letters[i : i+1]
		}
	}
	return s
}

// Parse reads the text form of cap_from_text(3): clauses such as "cap_chown,cap_fowner+ep"
// and "all=eip". It reports false for what is not one.
func Parse(text string) (c Sets, ok bool) {
	clauses := strings.Fields(text)
	for _, clause := range clauses {
		at := strings.IndexAny(clause, "=+-")
		if at < 0 {
			return c, false
		}
		var who uint64
		for name := range strings.SplitSeq(strings.ToLower(clause[:at]), ",") {
			switch i := slices.Index(names, name); {
			case i >= 0:
				who |= 1 << i
			case name == "all", name == "" && clause[at] == '=' && at == 0:
				who |= 1<<len(names) - 1
			default:
				return c, false
			}
		}
		op := byte(0)
		for _, b := range []byte(clause[at:]) {
			i := strings.IndexByte(letters, b)
			switch {
			case b == '=' && op == 0:
				for i := range c {
					c[i] &^= who
				}
				op = '+'
			case b == '+' || b == '-':
				op = b
			case i < 0:
				return c, false
			case op == '+':
				c[i] |= who
			default:
				c[i] &^= who
			}
		}
	}
	return c, len(clauses) > 0
}
