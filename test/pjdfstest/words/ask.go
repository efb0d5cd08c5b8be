package words

// A Request is a command line that somebody else runs, and where.
type Request struct {
	Dir  string // in the tree, with a slash at the start; "" is the root
	Args []string
}

// An Answer is what it has printed, and whether all went well.
type Answer struct {
	Out, Err string
	OK       bool
}
