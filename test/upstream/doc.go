// Package upstream runs the tests of libguestfs itself, with Debian's libguestfs and
// this engine instead of its appliance:
//
//   - tests/c-api/tests.c, some hundred calls of each procedure and what they have to
//     return, which libguestfs's generator makes of its description of the API;
//   - the tests in fish and tests that are scripts of the shell or of Perl, and the
//     scripts that make the phony guests for them.
//
// The sources are downloaded when the tests run and kept in the cache of test images;
// nothing of them is here.
//
// # What is expected
//
// testdata/api.txt and testdata/scripts.txt say what each test does, a line a test:
//
//	pass	NAME
//	skip	NAME	why it skips itself
//	fail	NAME	why it fails here
//	slow	NAME	what it takes long for
//	n-a	NAME	why it is not run
//
// A test that does anything else fails the suite, and so does one without a line. Those
// that are slow run, and have to pass, if UNBOOT_UPSTREAM_SLOW is set. With
// UNBOOT_UPSTREAM_UPDATE the lists are rewritten, and reasons that are missing have to
// be filled in.
package upstream
