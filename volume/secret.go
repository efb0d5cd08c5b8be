package volume

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

// Whatever prints a value for a person or a log prints no key with it, at any depth and by any
// verb: package fmt asks for a Formatter before it looks into a struct. Encoders of JSON and
// the like leave the fields out by their tags.

// Format implements [fmt.Formatter]: every verb prints the line of the table, without the key.
func (t Target) Format(s fmt.State, _ rune) {
	io.WriteString(s, t.Line(func(b Base) string {
		switch b := b.(type) {
		case *Member:
			return b.Name
		case *Volume:
			return b.Name
		}
		return "?"
	}))
}

// Format implements [fmt.Formatter]: every verb prints the kind and the parameters.
func (k Key) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "%s of %d bytes", k.Kind, len(k.Secret))
	for _, name := range slices.Sorted(maps.Keys(k.Params)) {
		fmt.Fprintf(s, ", %s=%s", name, k.Params[name])
	}
}
