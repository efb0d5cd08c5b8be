//go:build !amd64

package lkl

func pause() {}
