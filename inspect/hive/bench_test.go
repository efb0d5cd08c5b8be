package hive

import (
	"bytes"
	"fmt"
	"testing"
)

// A lookup in a large hive that was just opened.
func BenchmarkLookup(b *testing.B) {
	h := New()
	root := mustRoot(b, h)
	for i := range 200 {
		top, err := h.AddChild(root, fmt.Sprint("Top ", i))
		if err != nil {
			b.Fatal(err)
		}
		for j := range 500 {
			id, err := h.AddChild(top, fmt.Sprint("Key ", j))
			if err == nil {
				err = h.SetValue(id, Value{"Name", String, StringData("some text that is not short, but not long")})
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	data, _ := h.Bytes()
	b.Logf("%d MiB", len(data)>>20)
	for name, flags := range map[string]Flag{"read": 0, "write": Write} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h, err := Open(bytes.NewReader(data), int64(len(data)), flags)
				if err != nil {
					b.Fatal(err)
				}
				k, err := h.Lookup("Top 77", "KEY 444")
				if err == nil {
					_, err = k.String("name")
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
