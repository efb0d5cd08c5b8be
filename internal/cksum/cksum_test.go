package cksum

import (
	"bytes"
	"fmt"
	"hash"
	"os/exec"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestCksum compares with cksum(1), in one piece and in several.
func TestCksum(t *testing.T) {
	testimg.Need(t, "cksum")
	for _, n := range []int{0, 1, 9, 255, 256, 70000} {
		data := bytes.Repeat([]byte("unboot\xff\x00"), n/8+1)[:n]
		cmd := exec.Command("cksum")
		cmd.Stdin = bytes.NewReader(data)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		whole, parts := New(), New()
		whole.Write(data)
		parts.Write(data[:n/3])
		parts.Sum32()
		parts.Write(data[n/3:])
		want := strings.Fields(string(out))[0]
		for _, h := range []hash.Hash32{whole, parts} {
			if got := fmt.Sprint(h.Sum32()); got != want {
				t.Errorf("%d bytes: %s, cksum says %s", n, got, want)
			}
			if b := h.Sum([]byte("x")); len(b) != 1+h.Size() || fmt.Sprint(uint32(b[1])<<24|uint32(b[2])<<16|uint32(b[3])<<8|uint32(b[4])) != want {
				t.Errorf("%d bytes: %x", n, b)
			}
		}
		if whole.Reset(); whole.Sum32() != New().Sum32() {
			t.Error("not reset")
		}
	}
}
