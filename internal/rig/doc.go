// Package rig holds what tests of the whole share: a kernel with a
// deadline, mounts, trees that are compared, and a look at what a program has
// left behind.
package rig
