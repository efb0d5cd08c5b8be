package compressed_test

import (
	"os"
	"syscall"
	"testing"
)

// blocks returns how many bytes of the host's file system a file takes up.
func blocks(t *testing.T, f *os.File) int64 {
	t.Helper()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return st.Sys().(*syscall.Stat_t).Blocks * 512
}
