package testimg

import (
	"os"
	"strconv"
	"testing"
)

// Thorough reports whether a test is to take all of many cases that cost seconds of the
// processor each and differ little, such as the key derivations of VeraCrypt: the variable
// UNBOOT_TEST_ALL is set. Without it, a test takes some that stand for the others.
func Thorough() bool { return os.Getenv("UNBOOT_TEST_ALL") != "" }

// Count returns how many times a test with random input is repeated: the value of the
// variable UNBOOT_PROGRAMS, or n if there is none.
func Count(t testing.TB, n int) int {
	t.Helper()
	if s := os.Getenv("UNBOOT_PROGRAMS"); s != "" {
		v, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal("UNBOOT_PROGRAMS: ", err)
		}
		return v
	}
	return n
}
