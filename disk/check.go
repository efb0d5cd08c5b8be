package disk

// A CheckResult is what a look through the tables of an image has found, as qemu-img(1)
// check does.
type CheckResult struct {
	// Errors is how many places are wrong, so that reading or writing them may be, and
	// Leaks how many clusters nothing refers to, which only take up room.
	Errors, Leaks int64
	// ErrorsFixed and LeaksFixed are how many of these were repaired.
	ErrorsFixed, LeaksFixed int64
	// Problems say what is wrong in words, of the first [MaxProblems].
	Problems []string
}

// MaxProblems is how many problems of an image are told in words.
const MaxProblems = 100

// Repair says what a check may change.
type Repair int

// What a check may change, as the values of qemu-img(1) check -r.
const (
	RepairNothing Repair = iota
	RepairLeaks
	RepairAll
)
