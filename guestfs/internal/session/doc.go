// Package session tests sessions of libguestfs's protocol that go wrong: libraries that
// send what no library would, that die in the middle, and programs that are ended or
// killed. The server has to go on, and to leave nothing behind: no goroutine, descriptor,
// process or file; and of what was written what it has promised is in the image.
package session
