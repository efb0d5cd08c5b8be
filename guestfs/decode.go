package guestfs

import (
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// decodeStrings returns a list of strings, which is not nil even if it is empty.
func decodeStrings(c *xdr.Codec) []string {
	l := []string{}
	c.Strings(&l)
	if l == nil {
		l = []string{}
	}
	return l
}

// decodeMap returns a hashtable.
func decodeMap(c *xdr.Codec) map[string]string {
	var pairs []rpc.Pair
	rpc.CodePairs(c, &pairs)
	m := make(map[string]string, len(pairs))
	for _, p := range pairs {
		m[p.Key] = p.Value
	}
	return m
}

// decodeList returns a list of structures, each of which takes size bytes at least.
func decodeList[T any](c *xdr.Codec, size int, code func(*xdr.Codec, *T)) *[]T {
	n := c.Count(0, size)
	l := make([]T, 0, n)
	for range n {
		var v T
		if code(c, &v); c.Err() != nil {
			break
		}
		l = append(l, v)
	}
	return &l
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
