package testimg

import "os"

// Thorough reports whether a test is to take all of many cases that cost seconds of the
// processor each and differ little, such as the key derivations of VeraCrypt: the variable
// UNBOOT_TEST_ALL is set. Without it, a test takes some that stand for the others.
func Thorough() bool { return os.Getenv("UNBOOT_TEST_ALL") != "" }
