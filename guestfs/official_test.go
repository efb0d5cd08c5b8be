package guestfs

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// officialSource is where Debian's golang-guestfs-dev has the official binding.
const officialSource = "/usr/share/gocode/src/libguestfs.org/guestfs/guestfs.go"

// TestOfficial compares every exported name with the official binding's: its signature
// or its type.
func TestOfficial(t *testing.T) {
	if _, err := os.Stat(officialSource); err != nil {
		t.Skip("no official binding: install golang-guestfs-dev")
	}
	official := exported(t, officialSource)
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, "_test.go") })
	ours := exported(t, names...)
	same := 0
	for _, name := range slices.Sorted(maps.Keys(official)) {
		switch {
		case strings.Contains(name, "nternal_"):
			// Tests of the C library and its bindings, and functions that programs
			// must not call. Nothing but libguestfs's own tests uses them.
			if ours[name] != "" {
				t.Errorf("%s is exported", name)
			}
		case ours[name] == "":
			t.Errorf("%s is missing: %s", name, official[name])
		case ours[name] != official[name]:
			t.Errorf("%s is %s, the official one %s", name, ours[name], official[name])
		default:
			same++
		}
	}
	if same < 680 {
		t.Errorf("%d names are the same: too few to believe", same)
	}
	// Functions that we have besides.
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if official[name] == "" && !slices.Contains(additions, name) && !strings.HasPrefix(name, "EVENT_") {
			t.Errorf("%s is new, and not in the list of additions", name)
		}
	}
	for _, name := range additions {
		if ours[name] == "" || official[name] != "" {
			t.Errorf("%s is no addition", name)
		}
	}
	t.Logf("%d names are the same as the official binding's", same)
}

// additions are names that the official binding of 1.48 does not have.
var additions = []string{
	// Functions of guestfs(3) that came after it.
	"Guestfs.Btrfs_scrub_full", "Guestfs.Clevis_luks_unlock", "Guestfs.Command_out", "Guestfs.Findfs_partlabel",
	"Guestfs.Findfs_partuuid", "Guestfs.Inspect_get_build_id", "Guestfs.Inspect_get_windows_group_policy",
	"Guestfs.Ntfs_chmod", "Guestfs.Setfiles", "Guestfs.Sh_out", "Guestfs.Xfs_info2",
	"OptargsBtrfs_scrub_full", "OptargsNtfs_chmod", "OptargsSetfiles",
	// Events and the last error, which C has.
	"EventCallback", "Event_to_string", "Guestfs.Delete_event_callback", "Guestfs.Set_event_callback",
	"Guestfs.Last_errno", "Guestfs.Last_error",
	// For package errors.
	"GuestfsError.Unwrap",
}

// exported returns what files export: functions and methods with their signatures, types,
// constants.
func exported(t *testing.T, names ...string) map[string]string {
	t.Helper()
	m := map[string]string{}
	set := token.NewFileSet()
	for _, name := range names {
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if !d.Name.IsExported() {
					continue
				}
				name := d.Name.Name
				if d.Recv != nil {
					name = strings.TrimPrefix(text(set, d.Recv.List[0].Type), "*") + "." + name
				}
				if token.IsExported(name) {
					m[name] = "func" + types(set, d.Type.Params) + types(set, d.Type.Results)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						if s.Name.IsExported() {
							m[s.Name.Name] = typeText(set, s.Type)
						}
					case *ast.ValueSpec:
						for _, n := range s.Names {
							if n.IsExported() {
								m[n.Name] = "value"
							}
						}
					}
				}
			}
		}
	}
	return m
}

// types returns the types of parameters or results, without names.
func types(set *token.FileSet, l *ast.FieldList) string {
	var s []string
	if l != nil {
		for _, f := range l.List {
			for range max(1, len(f.Names)) {
				s = append(s, text(set, f.Type))
			}
		}
	}
	return "(" + strings.Join(s, ", ") + ")"
}

func typeText(set *token.FileSet, e ast.Expr) string {
	s, ok := e.(*ast.StructType)
	if !ok {
		return text(set, e)
	}
	var fields []string
	for _, f := range s.Fields.List {
		for _, n := range f.Names {
			if n.IsExported() {
				fields = append(fields, n.Name+" "+text(set, f.Type))
			}
		}
	}
	return "struct{" + strings.Join(fields, "; ") + "}"
}

func text(set *token.FileSet, e ast.Expr) string {
	var b strings.Builder
	printer.Fprint(&b, set, e)
	return b.String()
}
