package rpc

import (
	"fmt"

	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// Pair is an entry of a hashtable. The order of the entries is kept: programs print
// them as they come.
type Pair struct{ Key, Value string }

// Code implements xdr.Coder.
func (p *Pair) Code(c *xdr.Codec) {
	c.String(&p.Key)
	c.String(&p.Value)
}

// CodePairs codes a hashtable, which is a list of keys and values in turn.
func CodePairs(c *xdr.Codec, v *[]Pair) {
	n := c.Count(2*len(*v), 4)
	if n%2 != 0 {
		c.Fail(fmt.Errorf("%w: hashtable of %d strings", xdr.ErrValue, n))
		return
	}
	if c.Decoding() {
		*v = make([]Pair, n/2)
	}
	for i := 0; i < n/2 && c.Err() == nil; i++ {
		(*v)[i].Code(c)
	}
}
