package rpc

import (
	"fmt"
	"iter"

	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// Args are the arguments of a procedure.
type Args interface {
	// fields returns pointers to the arguments in the order of the message. The type of a
	// pointer says how the argument is encoded, and what it names if it is one of those
	// below.
	fields() []any
}

// Arguments that name something in the guest are plain strings to those who use them.
// A list of fields converts the pointers to these types, so that Names finds them.
type (
	path      string
	device    string
	mountable string
	devPath   string
	mntPath   string
	devices   []string
)

// Kind is what an argument names. The kinds are those of the libguestfs API, where the
// daemon checks arguments of each kind in its own way before a procedure sees them.
type Kind uint8

// The kinds.
const (
	Path      Kind = iota // a file of the guest
	Device                // a block device
	Mountable             // a block device or a subvolume of btrfs
	DevPath               // a block device or a file
	MntPath               // a mountable or a file
)

// Names returns the arguments that name something, in their order. The loop may change
// what they are.
func Names(a Args) iter.Seq2[Kind, *string] {
	return func(yield func(Kind, *string) bool) {
		for _, f := range a.fields() {
			more := true
			switch v := f.(type) {
			case *path:
				more = yield(Path, (*string)(v))
			case *device:
				more = yield(Device, (*string)(v))
			case *mountable:
				more = yield(Mountable, (*string)(v))
			case *devPath:
				more = yield(DevPath, (*string)(v))
			case *mntPath:
				more = yield(MntPath, (*string)(v))
			case *devices:
				for i := 0; more && i < len(*v); i++ {
					more = yield(Device, &(*v)[i])
				}
			}
			if !more {
				return
			}
		}
	}
}

// code codes the argument to which v points.
func code(c *xdr.Codec, v any) {
	switch v := v.(type) {
	case *string:
		c.String(v)
	case *path:
		c.String((*string)(v))
	case *device:
		c.String((*string)(v))
	case *mountable:
		c.String((*string)(v))
	case *devPath:
		c.String((*string)(v))
	case *mntPath:
		c.String((*string)(v))
	case *devices:
		c.Strings((*[]string)(v))
	case *[]string:
		c.Strings(v)
	case **string:
		c.OptString(v)
	case *[]byte:
		c.Bytes(v)
	case *bool:
		c.Bool(v)
	case *int:
		c.Int(v)
	case *int64:
		c.Int64(v)
	case option:
		value, _ := v.option()
		code(c, value)
	default:
		// The fields are generated; a test goes through those of every procedure.
		panic(fmt.Sprintf("rpc: no encoding for %T", v))
	}
}
