package disk

import "fmt"

// A CheckResult is what a look through the tables of an image has found, as qemu-img(1)
// check does.
type CheckResult struct {
	// Errors is how many places are wrong, so that reading or writing them may be, and
	// Leaks how many clusters nothing refers to, which only take up room.
	Errors, Leaks int64
	// ErrorsFixed and LeaksFixed are how many of these were repaired.
	ErrorsFixed, LeaksFixed int64
	// Rest is the last part of the file of which the image makes no use, if it is known that
	// there is one.
	Rest Range
	// Problems say what is wrong in words, of the first [MaxProblems].
	Problems []string
}

// Problem adds a problem in words, as fmt.Sprintf has them.
func (r *CheckResult) Problem(format string, args ...any) {
	if len(r.Problems) < MaxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// EndsAt notes that all that the image consists of ends there, in a file of size bytes.
func (r *CheckResult) EndsAt(end, size int64) {
	if end < size {
		r.Rest = Range{end, size - end}
	}
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

// A Finding is something that is to be known of an image, as a word for programs and in words for
// people.
type Finding struct {
	Code string // "corrupt", "dirty", …
	Text string
}
