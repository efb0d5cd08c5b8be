// Package lsfmt writes modes, sizes and times of files as ls(1) of GNU coreutils does in the
// C locale, and df(1) and find(1) with it.
package lsfmt
