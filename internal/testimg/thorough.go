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
// variable UNBOOT_PROGRAMS, or n if there is none, and less in a short run.
func Count(t testing.TB, n int) int {
	t.Helper()
	if testing.Short() {
		n = max(1, n/4)
	}
	return number(t, "UNBOOT_PROGRAMS", n)
}

// Seed returns what random input begins with: the value of the variable UNBOOT_RANDOM_SEED,
// or 1.
func Seed(t testing.TB) int {
	t.Helper()
	return number(t, "UNBOOT_RANDOM_SEED", 1)
}

// number returns the value of a variable of the environment, or else n.
func number(t testing.TB, variable string, n int) int {
	t.Helper()
	s := os.Getenv(variable)
	if s == "" {
		return n
	}
	v, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(variable, ": ", err)
	}
	return v
}
