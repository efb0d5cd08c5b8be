package api

import (
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/xdr"
)

func load(t *testing.T) *API {
	t.Helper()
	a, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func byNumber(a *API) map[uint32]*Function {
	m := map[uint32]*Function{}
	for _, f := range a.Procedures {
		m[f.Number] = f
	}
	return m
}

func TestCounts(t *testing.T) {
	a := load(t)
	count := map[string]int{"structures": len(a.Structs)}
	for _, f := range a.Procedures {
		if f.Number > 510 {
			count["newer procedures"]++
			continue
		}
		count["procedures"]++
		if k := f.Transfers(); k != None {
			count[string(k)]++
		}
		if len(f.Options) > 0 {
			count["with options"]++
		}
		if f.Internal() {
			count["internal"]++
		}
	}
	groups, _ := a.Groups()
	count["groups"] = len(groups)
	for what, want := range map[string]int{
		"structures": 27, "procedures": 492, "newer procedures": 12, "filein": 11, "fileout": 21,
		"with options": 53, "internal": 16, "groups": 37,
	} {
		if count[what] != want {
			t.Errorf("%d %s, want %d", count[what], what, want)
		}
	}
}

// Methods that are recorded under the name of the function that calls a procedure.
var callers = map[string]string{
	"available": "internal_feature_available", "cat": "download", "filesystem_walk": "internal_filesystem_walk",
	"find": "find0", "find_inode": "internal_find_inode", "inspect_get_icon": "inspect_get_type",
	"journal_get": "internal_journal_get", "ls": "ls0", "lstat": "lstatns", "lstatlist": "internal_lstatnslist",
	"lxattrlist": "internal_lxattrlist", "mountable_device": "internal_parse_mountable",
	"readlinklist": "internal_readlinklist", "stat": "statns", "write": "internal_write",
	"write_append": "internal_write_append", "yara_scan": "internal_yara_scan",
}

// TestRecorded compares the description with what a real library sends.
func TestRecorded(t *testing.T) {
	data, err := os.ReadFile("testdata/recorded.tsv")
	if err != nil {
		t.Fatal(err)
	}
	functions := byNumber(load(t))
	n := 0
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		col := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		number, err := strconv.Atoi(col[0])
		if err != nil {
			t.Fatal(err)
		}
		f := functions[uint32(number)]
		if f == nil {
			t.Errorf("no procedure %d", number)
			continue
		}
		name := col[1]
		if c, ok := callers[name]; ok {
			name = c
		}
		if f.Name != name {
			t.Errorf("procedure %d is %s, recorded as %s", number, f.Name, name)
		}
		args, err := hex.DecodeString(col[2])
		if err != nil {
			t.Fatal(err)
		}
		d := xdr.NewDecoder(args)
		for _, p := range append(f.Arguments(), f.Options...) {
			skip(d, p.Type)
		}
		if err := d.End(); err != nil {
			t.Errorf("%s: recorded arguments %s: %v", f.Name, col[2], err)
		}
		n++
	}
	if n != 488 {
		t.Errorf("%d procedures, want 488", n)
	}
}

// skip decodes a value.
func skip(d *xdr.Codec, t Type) {
	switch {
	case t.List:
		d.Strings(new([]string))
	case t.Kind.Text():
		d.String(new(string))
	case t.Kind == OptString:
		d.OptString(new(*string))
	case t.Kind == Buffer:
		d.Bytes(new([]byte))
	case t.Kind == Bool:
		d.Bool(new(bool))
	case t.Kind == Int:
		d.Int(new(int))
	case t.Kind == Int64:
		d.Int64(new(int64))
	}
}

func TestNames(t *testing.T) {
	a := load(t)
	seen := map[string]string{}
	for _, f := range a.Procedures {
		n := GoName(f.Name)
		if seen[n] != "" {
			t.Errorf("%s and %s are both %s", f.Name, seen[n], n)
		}
		seen[n] = f.Name
	}
	for in, want := range map[string]string{"is_file": "IsFile", "mke2fs_JL": "Mke2fsJL", "sfdiskM": "SfdiskM", "lvm_lv": "LvmLv"} {
		if got := GoName(in); got != want {
			t.Errorf("GoName(%s) = %s, want %s", in, got, want)
		}
	}
	if BindingName("is_file") != "Is_file" || BindingStruct("lvm_lv") != "LV" || BindingStruct("hivex_node") != "HivexNode" {
		t.Error("names of the binding")
	}
}

func TestParseErrors(t *testing.T) {
	for _, in := range []string{
		"1 x", "1 x(a)", "1 x(a b)", "0 x()", "1 x()\n1 y()", "2 x()\n1 y()", "1 x()\n2 x()", "1 x() int32",
		"1 x(a filein, b fileout)", "1 x(?a int, b int)", "1 x(?a filein)", "1 x()  @what", "1 x(a int, a int)",
		"1 x() []s", "struct s\n\ta what", "\ta int", "struct s\nstruct s", "70000 x()", "1 x(a []int)",
	} {
		if _, err := Parse(in); err == nil {
			t.Errorf("%q has no error", in)
		}
	}
}
