package iso9660

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/unboot/unboot/internal/testimg"
)

// TestRead compares with isoinfo(1).
func TestRead(t *testing.T) {
	testimg.Need(t, "genisoimage", "isoinfo")
	dir := t.TempDir()
	iso := filepath.Join(t.TempDir(), "cd.iso")
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	testimg.MustRun(t, "genisoimage", "-quiet", "-o", iso, "-V", "VOL ID", "-volset", "SET ID", "-P", "publisher", "-p", "preparer",
		"-A", "application", "-sysid", "SYSTEM", "-copyright", "file", dir)
	data, err := os.ReadFile(iso)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out := testimg.MustRun(t, "isoinfo", "-d", "-i", iso)
	for key, got := range map[string]string{
		"System id": d.System, "Volume id": d.Volume, "Volume set id": d.VolumeSet, "Publisher id": d.Publisher,
		"Data preparer id": d.DataPreparer, "Application id": d.Application, "Copyright File id": d.CopyrightFile,
		"Abstract File id": d.AbstractFile, "Bibliographic File id": d.BibliographicFile,
	} {
		m := regexp.MustCompile(`(?m)^` + key + `: ?(.*)$`).FindStringSubmatch(out)
		if m == nil || strings.TrimSpace(m[1]) != got {
			t.Errorf("%s: %q, isoinfo says %q", key, got, m)
		}
	}
	if int(d.Blocks)*2048 != len(data) || d.BlockSize != 2048 || d.SetSize != 1 || d.SequenceNumber != 1 || !d.Expires.IsZero() || d.Created.IsZero() {
		t.Errorf("%+v", d)
	}
	if _, err := Read(bytes.NewReader(data[:start+100])); err != ErrNotISO {
		t.Error(err)
	}
	if _, err := Read(bytes.NewReader(make([]byte, start+sectorSize))); err != ErrNotISO {
		t.Error(err)
	}
	broken := errors.New("broken")
	if _, err := Read(failing{broken}); err != broken {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt(p []byte, _ int64) (int, error) { return iotest.ErrReader(f.err).Read(p) }

func TestDate(t *testing.T) {
	for in, want := range map[string]int64{
		"2000010100000000\x00": 946684800, "2000010102000000\x08": 946684800, "1999123123000000\xfc": 946684800,
	} {
		if got := date([]byte(in)); got.Unix() != want {
			t.Errorf("%q: %d, want %d", in, got.Unix(), want)
		}
	}
	for _, in := range []string{"0000000000000000\x00", strings.Repeat("\x00", 17), strings.Repeat("9", 17)} {
		if got := date([]byte(in)); got != (time.Time{}) {
			t.Errorf("%q: %s", in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x01CD001\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := make([]byte, sectorSize)
		copy(d, b)
		copy(d, "\x01CD001")
		if _, err := parse(d); err != nil {
			t.Error(err)
		}
	})
}
