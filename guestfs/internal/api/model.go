package api

import "strings"

// API is a whole description.
type API struct {
	Structs    []*Struct
	Procedures []*Function // of the daemon, by number
	Local      []*Function // what the library does by itself, by name
}

// Struct is a structure that procedures return.
type Struct struct {
	Name   string
	Fields []Field
}

// Field is one field of a Struct. Kind is one of String, Buffer, Int32, Uint32,
// Int64, Uint64, Char, Percent, UUID.
type Field struct {
	Name string
	Kind Kind
}

// Function is a procedure of the daemon or, with Number 0, a function that the
// library does by itself.
type Function struct {
	Number     uint32
	Name       string
	Params     []Param // required ones
	Options    []Param // optional ones, in the order of their bits
	Result     Type    // Kind None if there is no result but success
	Group      string  // optional group, or ""
	Progress   bool    // may report progress
	Deprecated bool
	ReplacedBy string // what to call instead of a deprecated function, or ""
	Since      string // version of libguestfs, or ""
}

// Param is a parameter.
type Param struct {
	Name string
	Type Type
}

// Type is the type of a parameter or a result.
type Type struct {
	Kind   Kind
	List   bool    // a list of them
	Struct *Struct // of Kind Structure
}

// Kind is a type of which there can be a list.
type Kind string

// The kinds, spelled as in the description.
const (
	None      Kind = ""
	String    Kind = "string"
	Path      Kind = "path"
	Device    Kind = "device"
	Mountable Kind = "mountable"
	DevPath   Kind = "devpath"
	MntPath   Kind = "mntpath"
	Key       Kind = "key"
	GUID      Kind = "guid"
	OptString Kind = "optstring"
	Buffer    Kind = "buffer"
	Bool      Kind = "bool"
	Int       Kind = "int"
	Int64     Kind = "int64"
	Hashtable Kind = "hashtable"
	FileIn    Kind = "filein"
	FileOut   Kind = "fileout"
	Structure Kind = "struct"
	Int32     Kind = "int32"
	Uint32    Kind = "uint32"
	Uint64    Kind = "uint64"
	Char      Kind = "char"
	Percent   Kind = "percent"
	UUID      Kind = "uuid"
)

// Text reports whether k is a string on the wire.
func (k Kind) Text() bool {
	switch k {
	case String, Path, Device, Mountable, DevPath, MntPath, Key, GUID:
		return true
	}
	return false
}

// String returns t as the description spells it.
func (t Type) String() string {
	s := string(t.Kind)
	if t.Struct != nil {
		s = t.Struct.Name
	}
	if t.List {
		s = "[]" + s
	}
	return s
}

// Arguments returns the parameters that are in the message: all but contents of
// files.
func (f *Function) Arguments() []Param {
	var args []Param
	for _, p := range f.Params {
		if p.Type.Kind != FileIn && p.Type.Kind != FileOut {
			args = append(args, p)
		}
	}
	return args
}

// Transfers returns FileIn or FileOut if the function has such a parameter, None
// otherwise. No function has two.
func (f *Function) Transfers() Kind {
	for _, p := range f.Params {
		if p.Type.Kind == FileIn || p.Type.Kind == FileOut {
			return p.Type.Kind
		}
	}
	return None
}

// Internal reports whether programs are not meant to call the function.
func (f *Function) Internal() bool { return strings.HasPrefix(f.Name, "internal_") }

// Groups returns the names of the optional groups in alphabetical order, and the
// procedures of each.
func (a *API) Groups() (names []string, members map[string][]*Function) {
	members = map[string][]*Function{}
	for _, f := range a.Procedures {
		if f.Group != "" {
			members[f.Group] = append(members[f.Group], f)
		}
	}
	return sortedKeys(members), members
}
