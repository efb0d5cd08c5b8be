package main

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// What an image says of itself moves no cursor: names of volumes, hints and problems.
func TestInfoControlCharacters(t *testing.T) {
	const bad = "/dev/mapper/\x1b[2Jx\r"
	info := &jsonInfo{
		Disks: []jsonDisk{{Path: "disk", Name: "/dev/sda"}},
		Devices: []jsonDevice{
			{Name: "/dev/sda", Kind: "disk", Children: []string{bad}},
			{Name: bad, Kind: "dm", Parents: []string{"/dev/sda"}, Hint: "a hint\x1b[1m", Content: &jsonContent{Type: "ext4", Label: "\x1b]0;x\a", UUID: "\x1b"}},
		},
		Inactive: []jsonInactive{{Kind: "lvm", Volume: jsonVolume{Nodes: []string{bad}, Problems: []string{"why\x1b[3m"}}}},
		Problems: []string{"first\x1b[4m\nsecond\x9b"},
	}
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	a := &app{out: w}
	if err := a.printInfo(info); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	if text := out.String(); strings.ContainsAny(text, "\x1b\r\a\u009b") || strings.Contains(text, "\x9b") || !strings.Contains(text, "second") {
		t.Errorf("%q", text)
	}
}
