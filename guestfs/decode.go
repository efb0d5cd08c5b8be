package guestfs

import (
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// decodeStrings decodes a list of strings, which is not nil even if it is empty.
func decodeStrings(c *xdr.Codec, v *[]string) {
	c.Strings(v)
	if *v == nil {
		*v = []string{}
	}
}

// decodeMap decodes a hashtable.
func decodeMap(c *xdr.Codec, v *map[string]string) {
	var pairs []rpc.Pair
	rpc.CodePairs(c, &pairs)
	*v = make(map[string]string, len(pairs))
	for _, p := range pairs {
		(*v)[p.Key] = p.Value
	}
}

// list returns the function that decodes a list of structures, each of which takes size
// bytes at least.
func list[T any](size int, code func(*xdr.Codec, *T)) func(*xdr.Codec, **[]T) {
	return func(c *xdr.Codec, v **[]T) {
		n := c.Count(0, size)
		l := make([]T, 0, n)
		for range n {
			var e T
			if code(c, &e); c.Err() != nil {
				break
			}
			l = append(l, e)
		}
		*v = &l
	}
}

// decodeAll returns structures that follow each other without a count.
func decodeAll[T any](b []byte, code func(*xdr.Codec, *T)) (*[]T, error) {
	l := []T{}
	for len(b) > 0 {
		c := xdr.NewDecoder(b)
		var v T
		if code(c, &v); c.Err() != nil {
			return nil, c.Err()
		}
		l = append(l, v)
		b = c.Rest()
	}
	return &l, nil
}
