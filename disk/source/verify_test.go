package source_test

import (
	"context"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/testimg"
)

// codes returns the codes of findings, sorted and each once.
func codes(list []disk.Finding) string {
	var c []string
	for _, f := range list {
		c = append(c, f.Code)
	}
	slices.Sort(c)
	return strings.Join(slices.Compact(c), " ")
}

// verify expects the codes of the reasons.
func verify(t *testing.T, path string, o source.VerifyOptions, want string) *source.Verdict {
	t.Helper()
	v, err := source.Verify(context.Background(), path, o)
	if err != nil {
		t.Errorf("%s: %v", filepath.Base(path), err)
		return &source.Verdict{}
	}
	if got := codes(v.Reasons); got != want {
		t.Errorf("%s, %+v: reasons %v, not %q", filepath.Base(path), o, v.Reasons, want)
	}
	return v
}

// What QEMU makes in any format, and Go's own writers, is taken, and each trick that makes
// two programs disagree about a file is not.
func TestVerify(t *testing.T) {
	testimg.Need(t, "qemu-img", "qemu-io", "genisoimage", "zip", "tar")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	run := func(args ...string) {
		t.Helper()
		testimg.MustRun(t, args[0], args[1:]...)
	}
	if err := os.WriteFile(at("raw"), make([]byte, 4<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	run("qemu-io", "-f", "raw", "-c", "write -P 7 1M 1M", at("raw"))
	for name, how := range map[string]string{
		"qcow2": "-f qcow2", "v2.qcow2": "-f qcow2 -o compat=0.10", "small.qcow2": "-f qcow2 -o cluster_size=512",
		"metadata.qcow2": "-f qcow2 -o preallocation=metadata", "full.qcow2": "-f qcow2 -o preallocation=full", "c.qcow2": "-c -f qcow2",
		"vmdk": "-f vmdk", "stream.vmdk": "-f vmdk -o subformat=streamOptimized", "vdi": "-f vdi", "static.vdi": "-f vdi -o static=on",
		"vhd": "-f vpc", "fixed.vhd": "-f vpc -o subformat=fixed", "exact.vhd": "-f vpc -o force_size=on", "vhdx": "-f vhdx", "fixed.vhdx": "-f vhdx -o subformat=fixed",
		"qed": "-f qed", "parallels": "-f parallels", "qcow": "-f qcow",
	} {
		args := strings.Fields(how)
		i := slices.Index(args, "-f")
		format := args[i+1]
		args[i] = "-O"
		run(append(append([]string{"qemu-img", "convert", "-f", "raw"}, args...), at("raw"), at(name))...)
		v := verify(t, at(name), source.VerifyOptions{Format: format}, "")
		if verify(t, at(name), source.VerifyOptions{}, ""); v.Format != format || v.Size < 4<<20 {
			t.Errorf("%s: %+v", name, v)
		}
		verify(t, at(name), source.VerifyOptions{MaxSize: 1 << 20}, "size")
		if name != "qcow2" {
			verify(t, at(name), source.VerifyOptions{Format: "qcow2"}, map[bool]string{true: "", false: "format"}[format == "qcow2"])
		}
		verify(t, at(name), source.VerifyOptions{Format: "raw"}, map[string]string{"qed": "format"}[format]+map[bool]string{true: "format"}[format != "qed"])
	}
	verify(t, at("raw"), source.VerifyOptions{Format: "raw", MaxSize: 4 << 20}, "")
	verify(t, at("raw"), source.VerifyOptions{Format: "raw", MaxSize: 1 << 20}, "size")
	if _, err := source.Verify(context.Background(), at("none"), source.VerifyOptions{}); err == nil {
		t.Error("a file that is not there has a verdict")
	}

	// change makes a copy of an image with something written into it, at an offset from the
	// end if that is negative.
	change := func(from, to string, off int64, b string) string {
		t.Helper()
		if err := testimg.Copy(at(from), at(to)); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(at(to), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if off < 0 {
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			off += st.Size()
		}
		if _, err := f.WriteAt([]byte(b), off); err != nil {
			t.Fatal(err)
		}
		return at(to)
	}
	size := func(name string) int64 {
		t.Helper()
		st, err := os.Stat(at(name))
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	be64 := func(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }
	any := source.VerifyOptions{}

	// Files that it needs.
	for _, args := range []string{"-f qcow2 -F raw -b raw over.qcow2", "-f qcow2 -o data_file=data.raw data.qcow2 4M", "-f vmdk -o subformat=monolithicFlat flat.vmdk 4M", "-f vmdk -o subformat=twoGbMaxExtentSparse split.vmdk 4M"} {
		run("sh", "-c", "cd "+dir+" && qemu-img create -q "+args)
	}
	for _, name := range []string{"over.qcow2", "data.qcow2", "flat.vmdk", "split.vmdk"} {
		if v := verify(t, at(name), any, "reference"); !strings.Contains(v.Reasons[0].Text, " file \"") {
			t.Errorf("%s: %v", name, v.Reasons)
		}
	}
	text, err := os.ReadFile(at("vmdk"))
	if err != nil {
		t.Fatal(err)
	}
	// CVE-2022-47951: the type says that the data is in a file of any name.
	where := int64(strings.Index(string(text), `createType="monolithicSparse"`))
	verify(t, change("vmdk", "type.vmdk", where, `createType="monolithicFlat"  `), any, "reference")

	// Two things at once.
	if err := os.Mkdir(at("tree"), 0o755); err != nil {
		t.Fatal(err)
	}
	run("genisoimage", "-quiet", "-o", at("iso"), at("tree"))
	verify(t, at("iso"), source.VerifyOptions{Format: "raw"}, "")
	iso, err := os.ReadFile(at("iso"))
	if err != nil {
		t.Fatal(err)
	}
	mbr := strings.Repeat("\x00", 64) + "\x55\xaa"
	mbr = "\x80\x00\x01\x00\x83\x00\x00\x00\x01\x00\x00\x00\x00\x08\x00\x00" + mbr[16:]
	verify(t, change("raw", "mbr", 446, mbr), any, "")
	verify(t, change("iso", "hybrid", 446, mbr), any, "")
	verify(t, change("fixed.vhd", "mbr.vhd", 446, mbr), any, "")
	verify(t, change("qcow2", "iso.qcow2", 32768, string(iso[32768:36864])), any, "polyglot")
	verify(t, change("vdi", "mbr.vdi", 446, mbr), any, "polyglot")
	verify(t, change("qcow2", "mbr.qcow2", 446, mbr), any, "polyglot")
	verify(t, change("iso", "qcow2.iso", 0, string(mustRead(t, at("small.qcow2"))[:512])), source.VerifyOptions{Format: "raw"}, "format")
	verify(t, change("qcow2", "vdi.qcow2", 64, "\x7f\x10\xda\xbe"), any, "polyglot")
	verify(t, change("raw", "zero", 0, "QFI\xfb\x00\x00\x00\x03"), source.VerifyOptions{Format: "raw"}, "format")
	run("sh", "-c", "cd "+dir+" && zip -q a.zip raw && tar -cf a.tar raw && cat raw a.zip >raw.zip && cat qcow2 a.zip >qcow2.zip")
	verify(t, at("a.zip"), any, "format")
	verify(t, at("a.tar"), any, "format")
	verify(t, at("raw.zip"), any, "polyglot")
	verify(t, at("qcow2.zip"), any, "polyglot trailing")
	verify(t, change("iso", "tar.iso", 0, string(mustRead(t, at("a.tar"))[:512])), source.VerifyOptions{Format: "raw"}, "polyglot")
	verify(t, change("raw", "pdf", 300, "%PDF-1.4"), any, "polyglot")
	verify(t, change("raw", "script", 0, "#!/bin/sh\n"), any, "polyglot")
	footer := mustRead(t, at("fixed.vhd"))
	verify(t, change("qcow2", "footer.qcow2", -512, string(footer[len(footer)-512:])), any, "polyglot")
	verify(t, change("fixed.vhd", "inside.vhd", 0, "QFI\xfb\x00\x00\x00\x03"), source.VerifyOptions{Format: "vpc"}, "nested polyglot")

	// An image on the disk of an image.
	run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", at("over.qcow2"), at("nested.qcow2"))
	if v := verify(t, at("nested.qcow2"), any, "nested"); !strings.Contains(v.Reasons[0].Text, "qcow2") {
		t.Error(v.Reasons)
	}

	// Tables that are wrong, and what is no part of the image.
	verify(t, change("qcow2", "overlap.qcow2", 0x40000, be64(1<<63|0x50000)+be64(1<<63|0x50000)), any, "tables")
	verify(t, change("qcow2", "l1.qcow2", 0x30000, be64(1<<63|0x7fff0000)), any, "tables")
	verify(t, change("qcow2", "huge.qcow2", 24, be64(1<<62)), any, "damaged")
	verify(t, change("qcow2", "unknown.qcow2", 72, be64(1<<40)), any, "feature")
	verify(t, change("qcow2", "corrupt.qcow2", 72, be64(2)), any, "corrupt")
	if v := verify(t, change("qcow2", "dirty.qcow2", 72, be64(1)), any, ""); codes(v.Notes) != "dirty" {
		t.Error(v.Notes)
	}
	for _, name := range []string{"qcow2", "vdi", "vmdk", "vhdx"} {
		verify(t, change(name, "hidden."+name, size(name)+3<<20, "hidden"), any, "trailing")
		verify(t, change(name, "zeros."+name, size(name)+3<<20, "\x00"), any, "")
	}
	for _, name := range []string{"qcow2", "vmdk", "vdi", "vhd", "vhdx", "qed", "parallels", "qcow", "stream.vmdk"} {
		if err := testimg.Copy(at(name), at("cut")); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(at("cut"), size(name)/3); err != nil {
			t.Fatal(err)
		}
		if v, err := source.Verify(context.Background(), at("cut"), any); err != nil || len(v.Reasons) == 0 {
			t.Errorf("%s, cut off: %v, %v", name, v, err)
		}
		os.Remove(at("cut"))
	}
	if err := os.WriteFile(at("empty"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	verify(t, at("empty"), any, "format")
	run("sh", "-c", "cd "+dir+" && gzip -k raw")
	verify(t, at("raw.gz"), any, "")
	verify(t, at("raw.gz"), source.VerifyOptions{MaxSize: 1 << 20}, "size")
	run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", "--object", "secret,id=s,data=x", at("luks.qcow2"), "4M")
	if v := verify(t, at("luks.qcow2"), any, ""); codes(v.Notes) != "encrypted" {
		t.Error(v.Notes)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Images that QEMU's authors have collected, some of which a fuzzer made, have a verdict.
func TestVerifyQemuSamples(t *testing.T) {
	samples := map[string]string{
		"afl9.vmdk": "damaged", "iotest-version3.vmdk": "", "afl5.img": "damaged", "iotest-dirtylog-10G-4M.vhdx": "tables", "iotest-dynamic-1G.vhdx": "",
		"simple-pattern.cloop": "", "parallels-v1": "", "parallels-v2": "", "empty.bochs": "", "d2v-zerofilled.vhd": "", "virtualpc-dynamic.vhd": "", "test-disk2vhd.vhdx": "", "parallels-with-bitmap": "", "grub_mbr.raw": "", "simple-dmg.dmg": "", "hyperv2012r2-dynamic.vhd": "",
	}
	dir := imgtest.Samples(t, slices.Collect(maps.Keys(samples))...)
	for name, want := range samples {
		verify(t, filepath.Join(dir, name), source.VerifyOptions{}, want)
	}
}

// Whatever a file has, looking at it ends with a verdict.
func FuzzVerify(f *testing.F) {
	f.Add(overlay(1<<20, "base", "raw"))
	f.Add(overlay(1<<20, "", ""))
	for _, magic := range []string{"KDMV\x01\x00\x00\x00", "vhdxfile", "conectix", "QED\x00", "WithoutFreeSpace", "EVF\x09\x0d\x0a\xff\x00"} {
		f.Add(append([]byte(magic), make([]byte, 2048)...))
	}
	path := filepath.Join(f.TempDir(), "image")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		v, err := source.Verify(context.Background(), path, source.VerifyOptions{MaxSize: 1 << 30})
		if err != nil || len(v.Reasons) == 0 && v.Size > 1<<30 {
			t.Errorf("%v, %v", v, err)
		}
	})
}
