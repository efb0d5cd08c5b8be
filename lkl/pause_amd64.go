package lkl

// pause tells the processor that this is a loop that polls, so that it leaves
// the core to the other hyperthread, which may be the one that is waited for.
func pause()
