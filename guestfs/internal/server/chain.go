package server

import "github.com/unboot/unboot/lkl"

type chain = lkl.Chain

// chainLength is how many calls inChains makes in a round trip.
const chainLength = 64

// inChains makes n calls that have nothing to do with each other, many in a round trip.
// add adds call i to a chain, as the one of the number slot, more than once maybe; done
// gets its error.
func inChains(v *lkl.View, n int, add func(c *chain, i, slot int), done func(i, slot int, err error)) {
	c := v.NewChain()
	var results [chainLength]error
	for first := 0; first < n; {
		c.Reset()
		k := min(n-first, chainLength)
		for slot := range k {
			add(c, first+slot, slot)
		}
		err := c.Run()
		made := 0
		for failed := false; made < k && !failed; made++ {
			_, callErr := c.Result(lkl.Link(made))
			failed = callErr != nil
			if failed {
				err = nil
			}
			results[made] = callErr
		}
		// Without one that has failed, an error is that none was made, for a bad path.
		if err != nil && k > 1 {
			for slot := range k {
				c.Reset()
				add(c, first+slot, slot)
				done(first+slot, slot, c.Run())
			}
			first += k
			continue
		}
		if err != nil {
			results[0] = err
		}
		// The chain has ended at one that failed; those after it are made again.
		for slot := range made {
			done(first+slot, slot, results[slot])
		}
		first += made
	}
}
