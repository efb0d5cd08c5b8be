// Package augeas edits configuration files of a guest by Augeas, as its library does.
//
// Augeas is a library of C. Its own shell, augtool(1), has all of it: one runs as long as a
// [Handle] is open, confined by package hosttool, on copies of files, and is asked by
// commands. It writes nothing after an answer that would show where that ends, so each
// command is followed by one whose answer only we can know.
//
// The methods of a Handle are the calls of augeas.h, with their meanings: path expressions
// are those of Augeas's documentation. What augtool lacks is made up for: strings may have
// any bytes but NUL, and variables can be removed.
//
// A Handle holds no file of the guest open. Its files are copied when it loads,
// and again when it is to save; files that were not copied, since they are too large or are
// not regular, stay as they are.
package augeas
