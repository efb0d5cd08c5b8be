package hive

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// hivexTool returns a function that runs testdata/oracle.py.
func hivexTool(t testing.TB) func(in io.Reader, args ...string) []byte {
	t.Helper()
	// Not the one in PATH, which may not be Debian's.
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import hivex").Run(); err != nil {
		t.Skip("python3-hivex is needed and not there")
	}
	return func(in io.Reader, args ...string) []byte {
		t.Helper()
		cmd := exec.Command(python, append([]string{"testdata/oracle.py"}, args...)...)
		cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8", "LC_ALL=C.UTF-8")
		cmd.Stdin = in
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("hivex: %v\n%s", err, stderr.Bytes())
		}
		return out
	}
}

// parseDump reads what oracle.py says.
func parseDump(t testing.TB, out []byte) (lines []line) {
	t.Helper()
	scan := bufio.NewScanner(bytes.NewReader(out))
	scan.Buffer(nil, 64<<20)
	for scan.Scan() {
		var fields [4]json.RawMessage
		var l line
		var values [][3]json.RawMessage
		err := json.Unmarshal(scan.Bytes(), &fields)
		for i, p := range []any{&l.depth, &l.name, &l.time, &values} {
			if err == nil {
				err = json.Unmarshal(fields[i], p)
			}
		}
		for _, raw := range values {
			var v Value
			var data string
			for i, p := range []any{&v.Name, &v.Type, &data} {
				if err == nil {
					err = json.Unmarshal(raw[i], p)
				}
			}
			if err == nil {
				v.Data, err = hex.DecodeString(data)
			}
			l.values = append(l.values, v)
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	if scan.Err() != nil {
		t.Fatal(scan.Err())
	}
	return lines
}

func mustDump(t testing.TB, h *Hive) []line {
	t.Helper()
	lines, err := dump(h)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func writeHive(t testing.TB, h *Hive, path string) {
	t.Helper()
	data, err := h.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What hivex makes of a hive is read as hivex reads it, is sound, and can be
// edited further.
func TestReadHivex(t *testing.T) {
	hivex := hivexTool(t)
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 2))
		path := filepath.Join(t.TempDir(), "hive")
		writeHive(t, New(), path)
		root := &model{name: "$$$PROTO.HIV"}
		for range 8 {
			var in bytes.Buffer
			nodes := root.all()
			for range 100 {
				b, err := json.Marshal(randomEdit(r, root, nodes, 200<<10))
				if err != nil {
					t.Fatal(err)
				}
				in.Write(append(b, '\n'))
			}
			hivex(&in, "edit", path)
			want := parseDump(t, hivex(nil, "dump", path))

			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			lazy, err := Open(f, st.Size(), 0)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, "made by hivex", mustDump(t, lazy), want)
			for _, m := range root.all() {
				k, err := lazy.Lookup(m.path()...)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range m.values {
					if got, err := k.Value(strings.ToUpper(v.Name)); upper(v.Name) == upper(strings.ToUpper(v.Name)) &&
						(err != nil || got.Type != v.Type || !bytes.Equal(got.Data, v.Data)) {
						t.Fatalf("value %q: %v %v", v.Name, got.Type, err)
					}
				}
			}
			h, err := Open(f, st.Size(), Write)
			if err != nil {
				t.Fatal(err)
			}
			if f := h.Faults(); len(f) > 0 {
				t.Fatal(f[0])
			}
			for range 50 {
				randomEdit(r, root, root.all(), 1<<20).apply(t, h, root)
			}
			writeHive(t, h, path)
			want = parseDump(t, hivex(nil, "dump", path))
			compare(t, "edited after hivex", mustDump(t, h), want)
		}
	}
}

// After each batch of our edits hivex and reglookup read what we read.
func TestWrite(t *testing.T) {
	hivex := hivexTool(t)
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 3))
		path := filepath.Join(t.TempDir(), "hive")
		h := New()
		root := &model{name: "$$$PROTO.HIV"}
		for range 12 {
			for range 200 {
				randomEdit(r, root, root.all(), 1<<20).apply(t, h, root)
			}
			writeHive(t, h, path)
			got := mustDump(t, h)
			compare(t, "hivex", got, parseDump(t, hivex(nil, "dump", path)))
			compare(t, "model", got, root.dump(0, nil))
		}
		otherReaders(t, path, root)
	}
}

// otherReaders has further programs read a hive.
func otherReaders(t *testing.T, path string, root *model) {
	t.Helper()
	nodes := root.all()
	values := 0
	for _, m := range nodes {
		values += len(m.values)
	}
	if bin, err := testimg.Tool("hivexml"); err == nil {
		out, err := exec.Command(bin, path).Output()
		if err != nil {
			t.Fatalf("hivexml: %v", err)
		}
		gotNodes, gotValues := 0, 0
		// Names may hold characters that XML cannot, but not our names.
		for d := xml.NewDecoder(bytes.NewReader(out)); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("hivexml: %v", err)
			}
			if e, ok := token.(xml.StartElement); ok {
				switch e.Name.Local {
				case "node":
					gotNodes++
				case "value":
					gotValues++
				}
			}
		}
		if gotNodes != len(nodes) || gotValues != values {
			t.Errorf("hivexml finds %d nodes, %d values, want %d, %d", gotNodes, gotValues, len(nodes), values)
		}
	} else {
		t.Log(err)
	}
	if bin, err := testimg.Tool("reglookup"); err == nil {
		var stderr bytes.Buffer
		cmd := exec.Command(bin, "-H", path)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("reglookup: %v\n%s", err, stderr.Bytes())
		}
		var got, want []string
		for _, l := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			fields := strings.Split(l, ",")
			if p := unescape(fields[0]); isASCII(p) {
				got = append(got, p+","+fields[1])
			}
		}
		for _, m := range nodes {
			p := "/" + strings.Join(m.path(), "/")
			if !isASCII(p) {
				continue
			}
			want = append(want, p+",KEY")
			for _, v := range m.values {
				name := p + "/" + v.Name
				if isASCII(name) {
					want = append(want, name+","+reglookupTypes[v.Type])
				}
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("reglookup: got %q, want %q\n%.500s", got[i], want[i], stderr.Bytes())
				}
			}
			t.Errorf("reglookup: %d lines, want %d\n%.500s", len(got), len(want), stderr.Bytes())
		}
	} else {
		t.Log(err)
	}
}

// isASCII reports whether a name is one that reglookup can show.
func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}

var reglookupTypes = []string{"NONE", "SZ", "EXPAND_SZ", "BINARY", "DWORD", "DWORD_BE", "LINK", "MULTI_SZ",
	"RSRC_LIST", "RSRC_DESC", "RSRC_REQ_LIST", "QWORD"}

var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// unescape undoes reglookup's way to write a character that it finds odd.
func unescape(s string) string {
	return escape.ReplaceAllStringFunc(s, func(e string) string {
		var c byte
		fmt.Sscanf(e, "%%%x", &c)
		return string([]byte{c})
	})
}

// Two more programs find all that is there. reged knows no big data, and breaks on
// odd names.
func TestExport(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	h := New()
	nodes := []NodeID{mustRoot(t, h)}
	for i := range 3000 {
		id, err := h.AddChild(nodes[r.IntN(len(nodes))], fmt.Sprint("Key ", i))
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, id)
		for j := range r.IntN(4) {
			if err := h.SetValue(id, Value{fmt.Sprint("Value ", j), String, StringData("text")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, id := range nodes[2900:] {
		if err := h.DeleteChild(id); err != nil && !errors.Is(err, ErrHandle) {
			t.Fatal(err)
		}
	}
	count := len(mustDump(t, h))
	path := filepath.Join(t.TempDir(), "hive")
	writeHive(t, h, path)
	reg := path + ".reg"
	for tool, args := range map[string][]string{
		"reged":        {"-x", path, "HKLM", `\`, reg},
		"hivexregedit": {"--export", "--prefix", "HKLM", path, `\`},
	} {
		t.Run(tool, func(t *testing.T) {
			bin, err := testimg.Tool(tool)
			if err != nil {
				t.Skip(err)
			}
			out, err := exec.Command(bin, args...).Output()
			if err != nil {
				t.Fatal(err)
			}
			if tool == "reged" {
				if out, err = os.ReadFile(reg); err != nil {
					t.Fatal(err)
				}
			}
			if got := len(regexp.MustCompile(`(?m)^\[HKLM.*\]\r?$`).FindAll(out, -1)); got != count {
				t.Errorf("%d nodes, want %d", got, count)
			}
		})
	}
}

// Data that is not what its type says reads as with hivex, but for invalid UTF-16,
// which hivex refuses.
func TestOddData(t *testing.T) {
	hivex := hivexTool(t)
	h := New()
	root := mustRoot(t, h)
	datas := []string{"", "\x00", "a", "a\x00", "a\x00b", "a\x00\x00", "a\x00\x00\x00", "a\x00\x00\x00b", "a\x00\x00\x00b\x00",
		"\x00\x00", "\x00\x00a\x00", "a\x00\x00\x00\x00\x00b\x00\x00\x00", "a\x00b\x00\x00\x00c\x00\x00\x00\x00\x00",
		"a\x00b\x00\x00\x00c\x00", "abcd", "abcdefgh", "abcde", "a\x00\x3d\xd8\x00\xde", "\x00\x00\x00\x00", "\xff\xfe\xfd\xfc"}
	var values []Value
	for _, t := range []Type{None, String, ExpandString, Binary, DWord, DWordBigEndian, Link, MultiString, QWord} {
		for i, d := range datas {
			values = append(values, Value{fmt.Sprint(t, " ", i), t, []byte(d)})
		}
	}
	if err := h.SetValues(root, values); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "hive")
	writeHive(t, h, path)
	lines := strings.Split(strings.TrimSpace(string(hivex(nil, "typed", path))), "\n")
	ids, err := h.Values(root)
	if err != nil || len(ids) != len(lines) {
		t.Fatal(err, len(ids), len(lines))
	}
	for i, id := range ids {
		results := []any{nil, nil, nil}
		v, err := h.valueOf(id)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := h.ValueString(id); err == nil {
			results[0] = s
		}
		if l, err := h.ValueStrings(id); err == nil {
			results[1] = l
		}
		if n, err := h.ValueNumber(id); err == nil {
			results[2] = n
			if v.Type != QWord {
				results[2] = int32(n)
			} else {
				results[2] = int64(n)
			}
		}
		b, err := json.Marshal(results)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(strings.NewReader(lines[i]))
		d.UseNumber()
		var want []any
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if list, ok := want[1].([]any); ok && len(list) > 0 && list[len(list)-1] == "" {
			want[1] = list[:len(list)-1] // the end of the list, see Value.Strings
		}
		w, _ := json.Marshal(want)
		if !bytes.Equal(b, w) {
			t.Errorf("%s of % x: %s, hivex %s", v.Type, v.Data, b, w)
		}
	}
}
