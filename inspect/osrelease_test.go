package inspect

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

func TestAssignments(t *testing.T) {
	for line, want := range map[string]string{
		`A=b`:                 "b",
		`A="b c"`:             "b c",
		`A='b c'`:             "b c",
		`A='b"c'`:             `b"c`,
		`A="b\"c"`:            `b"c`,
		`A="b\\c"`:            `b\c`,
		`A="b\nc"`:            `b\nc`,
		`A="\$HOME"`:          "$HOME",
		`A="$HOME"`:           "$HOME",
		`A=b\ c`:              "b c",
		`A="b"'c'd`:           "bcd",
		`A=`:                  "",
		`A=""`:                "",
		`A=b # comment`:       "b",
		`A=b#c`:               "b#c",
		`A="b # c"`:           "b # c",
		`A=b c`:               "b c",
		`  A=b`:               "b",
		`export A=b`:          "b",
		"A=b\r":               "b",
		"\ufeffA=b":           "b",
		`A="open`:             "open",
		"A=\"\xe4\xf6\"":      "",
		"A=ü":                 "ü",
		"A=b\nA=c":            "c",
		"A=x\x1b[2Jy\x00\x7f": "x[2Jy",
		`A==b`:                "=b",
		`A =b`:                "",
		`1A=b`:                "",
		`#A=b`:                "",
		`A`:                   "",
	} {
		if got := assignments([]byte(line + "\n"))["A"]; got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	var b strings.Builder
	for i := range 3 * maxAssignments {
		fmt.Fprintf(&b, "A%d=b\n", i)
	}
	if n := len(assignments([]byte(b.String()))); n != maxAssignments {
		t.Errorf("%d variables", n)
	}
	if n := len(assignments([]byte("A=" + strings.Repeat("x", 1<<20)))["A"]); n != maxText {
		t.Errorf("%d bytes", n)
	}
}

// Where a line means something to a shell, it means the same to us.
func TestShell(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	for _, line := range []string{
		`A=b`, `A="b c"`, `A='b"c'`, `A="b\"c"`, `A="b\\c"`, `A="\$HOME"`, `A=b\ c`, `A="b"'c'd`, `A=""`, `A=b # comment`, `A=b#c`,
		`A="b # c"`, `A='a\b'`, `A="a\b"`, `A="it's"`, `A==b`, "A=\"\\`x\\`\"",
	} {
		out, err := exec.Command(sh, "-c", line+"\nprintf %s \"$A\"").Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := assignments([]byte(line))["A"]; got != string(out) {
			t.Errorf("%s: %q, sh has %q", line, got, out)
		}
	}
}

func TestVersion(t *testing.T) {
	for version, want := range map[string][2]int{
		"12": {12, 0}, "22.04": {22, 4}, "3.18.4": {3, 18}, "": {}, "rolling": {}, "p10": {10, 0}, "V10": {10, 0}, "pre": {}, "7.": {7, 0}, ".5": {},
		"15-SP4": {15, 0}, "99999999999999999999": {}, "1.99999999999999999999": {1, 0}, "-1": {},
	} {
		var s System
		s.setVersion(version)
		if s.Major != want[0] || s.Minor != want[1] {
			t.Errorf("%q: %d.%d", version, s.Major, s.Minor)
		}
	}
}

func FuzzOSRelease(f *testing.F) {
	for _, tree := range linuxTrees {
		for name, text := range tree.files {
			if strings.HasPrefix(name, "etc/") {
				f.Add([]byte(text))
			}
		}
	}
	f.Add([]byte(`A="\`))
	f.Fuzz(func(t *testing.T, data []byte) {
		vars := assignments(data)
		if len(vars) > maxAssignments {
			t.Fatal(len(vars))
		}
		var s System
		s.fromOSRelease(vars)
		s.fromLSBRelease(vars)
		if s.Major < 0 || s.Minor < 0 {
			t.Fatal(s.Major, s.Minor)
		}
		for _, v := range vars {
			if len(v) > maxText || strings.ContainsAny(v, "\x00\n\x1b") {
				t.Fatalf("%q", v)
			}
		}
	})
}

// All the older files, with the same text in each.
func FuzzReleaseFiles(f *testing.F) {
	f.Add("CentOS release 5 (Update 3)")
	f.Add("SUSE\nVERSION = 11\nPATCHLEVEL = 3")
	f.Fuzz(func(t *testing.T, text string) {
		for _, file := range releaseFiles {
			s, err := Tree(release(file.name, text).FS())
			if err != nil {
				t.Fatal(err)
			}
			if s.Major < 0 || s.Minor < 0 || len(s.Product) > 2*maxText {
				t.Fatalf("%+v", s)
			}
		}
		findMediaIn(text)
	})
}

func findMediaIn(text string) {
	for _, name := range []string{".disk/info", ".treeinfo", ".discinfo", "media.1/products", ".alpine-release", "i386/txtsetup.sif"} {
		Tree(map2fs(name, text))
	}
}

func FuzzBootINI(f *testing.F) {
	f.Add([]byte("[boot loader]\ndefault=multi(0)disk(0)rdisk(0)partition(1)\\WINDOWS"))
	f.Add([]byte("[operating systems]\npartition()\\a\\b="))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range bootINI(data) {
			if p == "" || strings.HasPrefix(p, `\`) {
				t.Fatalf("%q", p)
			}
		}
		Tree(map2fs("boot.ini", string(data)))
	})
}

func FuzzFileArch(f *testing.F) {
	f.Add([]byte(x86_64))
	f.Add([]byte(pe(0x8664)))
	f.Fuzz(func(t *testing.T, head []byte) { FileArch(head) })
}
