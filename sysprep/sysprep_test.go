package sysprep

import (
	"bytes"
	"errors"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/customize"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/internal/testguest"
	"github.com/unboot/unboot/internal/testimg"
)

// Every operation of virt-sysprep is there, with its default and its words.
func TestOperations(t *testing.T) {
	var names, lines []string
	for _, o := range Operations() {
		mark := " "
		if o.Default {
			mark = "*"
		}
		names = append(names, o.Name)
		lines = append(lines, o.Name+" "+mark+" "+o.Heading)
		if o.do == nil && len(o.files)+len(o.trees) == 0 && !slices.Contains([]string{"fs-uuids", "lvm-uuids", "script"}, o.Name) {
			t.Errorf("%s does nothing", o.Name)
		}
		for _, p := range slices.Concat(o.files, o.trees, o.keep) {
			if !strings.HasPrefix(p, "/") || unboot.CleanPath(p) == "." {
				t.Errorf("%s: %q", o.Name, p)
			}
		}
	}
	if !slices.IsSorted(names) {
		t.Errorf("not sorted: %q", names)
	}
	testimg.Need(t, "virt-sysprep")
	out, err := exec.Command("virt-sysprep", "--list-operations").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSuffix(line, "\n"); !slices.Contains(lines, line) {
			t.Errorf("not there: %s", line)
		}
	}
}

func TestSet(t *testing.T) {
	for _, c := range []struct{ list, has, lacks string }{
		{"tmp-files", "tmp-files", "logfiles"}, {"defaults,-tmp-files", "logfiles", "tmp-files"}, {"all,-defaults", "user-account", "logfiles"},
		{"all", "fs-uuids", ""}, {"all,-all,utmp", "utmp", "logfiles"}, {"defaults,user-account", "user-account", "fs-uuids"},
	} {
		s := Set{}
		if err := s.Change(c.list); err != nil || !s.Has(c.has) || s.Has(c.lacks) {
			t.Errorf("%s: %v, %v", c.list, s, err)
		}
	}
	for _, bad := range []string{"", "none", "-", "tmp-files,", "tmp-files,none"} {
		if (Set{}).Change(bad) == nil {
			t.Errorf("%q", bad)
		}
		if (Set{}).Enable(bad) == nil {
			t.Errorf("%q", bad)
		}
	}
	s := Defaults()
	if err := s.Enable("utmp"); err != nil || s.Has("logfiles") || !s.Has("utmp") {
		t.Errorf("%v, %v", s, err)
	}
}

func TestTables(t *testing.T) {
	gone := map[string]bool{"bob": true}
	for _, c := range []struct {
		have, want string
		members    bool
	}{
		{"root:x\nbob:x:1\nbobby:x\n", "root:x\nbobby:x\n", false},
		{"adm:x:4:bob,mary,bobby\nbob:x:5:\nz:x:1:bob\r\n", "adm:x:4:mary,bobby\nz:x:1:\r\n", true},
		{"bob\n#bob:x\n\x00bob:x\nbob:x", "bob\n#bob:x\n\x00bob:x\n", false},
		{"adm:!:bob,mary:bob\nodd:bob", "adm:!:mary:\nodd:bob", true},
	} {
		if got := withoutUsers([]byte(c.have), gone, c.members); string(got) != c.want {
			t.Errorf("%q: %q, want %q", c.have, got, c.want)
		}
	}
	low, high := uidRange([]byte("#UID_MIN 5\nUID_MIN\t500\nUID_MAX 0x1000 # a\nUID_MAX x\nSYS_UID_MIN 7\n"))
	if low != 500 || high != 4096 {
		t.Errorf("%d to %d", low, high)
	}
}

// Only lines of users that go are removed, and nothing is added.
func FuzzWithoutUsers(f *testing.F) {
	f.Add([]byte("root:x:0:\nadm:x:4:bob,mary\nbob:x:1:\n"), "bob", true)
	f.Add([]byte("a\r\n\x00:\n::::\n"), "", true)
	f.Fuzz(func(t *testing.T, table []byte, user string, members bool) {
		out := withoutUsers(table, map[string]bool{user: true}, members)
		if len(out) > len(table) {
			t.Fatalf("%q became %q", table, out)
		}
		if !members {
			want := slices.DeleteFunc(slices.Collect(bytes.Lines(table)), func(line []byte) bool { return bytes.HasPrefix(line, []byte(user+":")) })
			if !strings.ContainsAny(user, ":\r\n") && !bytes.Equal(out, bytes.Join(want, nil)) {
				t.Fatalf("%q became %q", table, out)
			}
		}
		parseUsers(out)
		uidRange(out)
	})
}

// Certificates that were removed have the guest make its store again, when it boots next if
// nothing can do it now.
func TestCertificates(t *testing.T) {
	image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	testguest.Fill(t, image, "/dev/sda", "", testguest.Files{
		"etc/os-release": "ID=fedora\nVERSION_ID=39\n", "bin/bash": testguest.ELF(), "etc/systemd/system/": "",
		"etc/pki/tls/certs/my.crt": "x", "etc/pki/tls/certs/ca-bundle.crt": "x", "etc/pki/tls/private/my.key": "x",
	})
	testguest.Change(t, image, func(img *unboot.Image) error {
		f, err := img.Mount("/dev/sda")
		if err != nil {
			return err
		}
		system, err := (&inspect.Inspector{}).Tree(f)
		if err != nil {
			return err
		}
		p := &Plan{Enabled: Set{"ca-certificates": true}}
		if err := p.Run(t.Context(), &customize.Guest{FS: f, System: system}); err != nil {
			t.Error(err)
		}
		for name, there := range map[string]bool{
			"etc/pki/tls/certs/my.crt": false, "etc/pki/tls/private/my.key": false, "etc/pki/tls/certs/ca-bundle.crt": true,
			"usr/lib/virt-sysprep/scripts/5000-0001-update-ca-trust-extract": true,
		} {
			if _, err := f.Lstat(name); (err == nil) != there || err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", name, err)
			}
		}
		return f.Unmount()
	})
}
