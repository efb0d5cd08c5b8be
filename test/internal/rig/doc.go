// Package rig holds what the tests of this directory share: a kernel with a
// deadline, mounts, trees that are compared, and a look at what a program has
// left behind.
package rig
