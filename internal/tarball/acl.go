package tarball

import (
	"strconv"
	"strings"

	"github.com/unboot/unboot/internal/acl"
)

// aclText turns an attribute's value into the short text form of acl(5) with numbers, which
// archives have.
func aclText(value string) (string, bool) {
	list, err := acl.Decode([]byte(value))
	return list.Short(), err == nil
}

// aclValue turns text into an attribute's value. The text may have names: of those an
// archive gives the number in a fourth field (as star and bsdtar write them) or not at all,
// and then the list cannot be had.
func aclValue(text string) (string, bool) {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		for item := range strings.SplitSeq(line, ",") {
			f := strings.Split(strings.TrimPrefix(strings.TrimSpace(item), "default:"), ":")
			if len(f) > 3 {
				if _, err := strconv.ParseUint(f[1], 10, 32); err != nil && f[1] != "" {
					f[1] = f[3]
				}
				f = f[:3]
			}
			b.WriteString(strings.Join(f, ":") + ",")
		}
	}
	list, err := acl.Parse(b.String())
	return string(list.Encode()), err == nil && len(list) > 0
}
