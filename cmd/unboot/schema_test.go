package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
)

const schemaDir = "../../docs/schema"

// compileSchema reads a schema, or a part of it that a fragment names.
func compileSchema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	path, err := filepath.Abs(schemaDir)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.AssertContent()
	s, err := c.Compile(filepath.Join(path, name))
	if err != nil {
		t.Fatal(err)
	}
	if s.DraftVersion != 2020 {
		t.Errorf("%s is of draft %d", name, s.DraftVersion)
	}
	return s
}

// validate holds what a command prints against its schema.
func validate(t *testing.T, s *jsonschema.Schema, out []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(out))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		t.Errorf("%v\n%.2000s", err, out)
	}
	return v
}

// What every --json prints is valid by its schema, which allows no other field.
func TestSchemas(t *testing.T) {
	needKernel(t)
	schemas := map[string]*jsonschema.Schema{}
	for _, name := range []string{"info", "ls", "find", "stat", "df", "subvol", "snapshot", "map", "check", "verify", "diff"} {
		schemas[name] = compileSchema(t, name+".json")
	}
	t.Chdir(t.TempDir())
	copies := map[string]string{
		"debian.img": testimg.Debian(t, "ext4"), "subvol.img": testimg.Debian(t, "btrfs-subvol"),
		"ext4.img": testimg.FS(t, "ext4", testimg.Options{Tree: true}), "vfat.img": testimg.FS(t, "vfat", testimg.Options{Tree: true}),
		"iso9660.img": testimg.FS(t, "iso9660", testimg.Options{Tree: true}),
	}
	for name, from := range copies {
		if err := testimg.Copy(from, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("zeros.img", make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "qcow2", "snapshot.qcow2", "1M")
	testimg.MustRun(t, "qemu-img", "snapshot", "-c", "\xff", "snapshot.qcow2")
	if out, err := exec.Command("unboot", "create", "--backing", "ext4.img", "overlay.qcow2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, line := range []string{
		"info --json debian.img", "info --json subvol.img", "info --json ext4.img", "info --json zeros.img", "info --json iso9660.img",
		"info --json --no-mount debian.img", "info --json --add ext4.img debian.img",
		"ls --json -aR ext4.img", "ls --json -R vfat.img", "ls --json -d ext4.img:/", "ls --json -m /dev/sda15 debian.img",
		"find ext4.img -json", "find vfat.img -json", "find ext4.img -name none -json",
		"stat --json ext4.img:/", "stat --json -L ext4.img:/contents/one", "stat --json debian.img:/dev debian.img:/usr/bin/passwd debian.img:/etc/os-release",
		"df --json debian.img ext4.img vfat.img", "df --json subvol.img", "subvol list --json subvol.img", "subvol show --json subvol.img:/",
		"snapshot list --json snapshot.qcow2",
		"info --map --json ext4.img", "check --json zeros.img", "check --json overlay.qcow2", "info --json --backing-files overlay.qcow2",
		"verify --json ext4.img", "verify --json overlay.qcow2", "verify --json snapshot.qcow2",
		"diff --json zeros.img zeros.img", "diff --json ext4.img vfat.img",
	} {
		words := strings.Fields(line)
		cmd := exec.Command("unboot", words...)
		out, err := cmd.Output()
		if err != nil && (words[0] != "diff" && words[0] != "verify" || cmd.ProcessState.ExitCode() != exitFailure) {
			t.Errorf("%s: %v", line, err)
			continue
		}
		schema := words[0]
		if words[1] == "--map" {
			schema = "map"
		}
		v := validate(t, schemas[schema], out)
		if list, ok := v.([]any); ok && len(list) == 0 && !strings.Contains(line, "none") {
			t.Errorf("%s prints an empty list", line)
		}
	}
	// Every file of the odd tree by stat, with its attributes.
	names, err := exec.Command("unboot", "find", "ext4.img", "-print0").Output()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"stat", "--json"}
	for p := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		args = append(args, "ext4.img:"+p)
	}
	out, err := exec.Command("unboot", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	validate(t, schemas["stat"], out)
	if !bytes.Contains(out, []byte(`"xattrs":{"`)) {
		t.Error("no extended attribute was seen")
	}
	// An entry that could not be looked at needs a damaged image.
	for _, name := range []string{"name", "\xff"} {
		out, err := json.Marshal([]any{newJSONUnknown(name, unix.S_IFREG, errors.New("input/output error"))})
		if err != nil {
			t.Fatal(err)
		}
		validate(t, schemas["ls"], out)
	}
	for _, not := range []string{`[{"path": "x"}]`, `[{"path": "x", "error": "y", "more": 1}]`} {
		if v, err := jsonschema.UnmarshalJSON(strings.NewReader(not)); err != nil || schemas["ls"].Validate(v) == nil {
			t.Errorf("%s is valid", not)
		}
	}
}

// The schemas have the fields of the source, required where they are never left out:
// a field has to be described when it is added.
func TestSchemaFields(t *testing.T) {
	for at, v := range map[string]any{
		"file.json": jsonFile{}, "unknown.json": jsonUnknown{}, "df.json#/items": jsonDf{}, "df.json#/$defs/btrfs": jsonUsage{}, "df.json#/$defs/profile": jsonProfile{}, "df.json#/$defs/member": jsonMember{}, "subvol.json#/items": jsonSubvolume{}, "snapshot.json#/items": jsonSnapshot{}, "info.json": jsonInfo{},
		"info.json#/$defs/system": jsonSystem{}, "info.json#/$defs/mount": jsonMount{}, "info.json#/$defs/disk": jsonDisk{},
		"info.json#/$defs/storage": jsonStorage{}, "info.json#/$defs/reference": jsonReference{},
		"map.json#/items": jsonExtent{}, "check.json": jsonCheck{}, "verify.json": jsonVerdict{}, "verify.json#/$defs/finding": jsonFinding{}, "diff.json": jsonDiff{}, "diff.json#/$defs/range": jsonRange{},
		"info.json#/$defs/device": jsonDevice{}, "info.json#/$defs/volume": jsonVolume{},
		"info.json#/$defs/locked": jsonLock{}, "info.json#/$defs/keyslot": jsonKeySlot{}, "info.json#/$defs/inactive": jsonInactive{},
		"info.json#/$defs/partition": jsonPartition{}, "info.json#/$defs/content": jsonContent{},
	} {
		s := compileSchema(t, at)
		if b := s.AdditionalProperties; b != false {
			t.Errorf("%s allows other fields", at)
		}
		fields := map[string]bool{}
		for i := range reflect.TypeOf(v).NumField() {
			name, options, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ",")
			fields[name] = true
			switch _, ok := s.Properties[name]; {
			case !ok:
				t.Errorf("%s lacks %s", at, name)
			case slices.Contains(s.Required, name) == (options == "omitempty"):
				t.Errorf("%s: whether %s is required is not as in the source", at, name)
			}
		}
		for name := range s.Properties {
			if !fields[name] {
				t.Errorf("%s has %s, which the source has not", at, name)
			}
		}
	}
}

// Each command with --json has a schema, which the list of them names.
func TestSchemaOfEachCommand(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(schemaDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		prints := c.wordNamed("-json") != nil || slices.ContainsFunc(c.flags(), func(s *flagSpec) bool { return s.long == "json" })
		_, err := os.Stat(filepath.Join(schemaDir, c.name+".json"))
		if prints != (err == nil) || prints != strings.Contains(string(readme), "("+c.name+".json)") {
			t.Errorf("%s: prints JSON: %v, schema: %v", c.name, prints, err)
		}
	}
}
