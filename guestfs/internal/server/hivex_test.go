package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/inspect/hive"
	"github.com/unboot/unboot/internal/testguest"
	"github.com/unboot/unboot/internal/testimg"
)

const softwareHive = "/Windows/System32/config/SOFTWARE"

// hives makes the calls of hivex on a client.
type hives struct {
	t *testing.T
	c *protocol.Client
}

// handle makes a call whose result is a handle or another number of 64 bits.
func (r hives) handle(proc uint32, a rpc.Args) (v int64) {
	r.t.Helper()
	if err := invoke(r.c, proc, a, func(x *xdr.Codec) { x.Int64(&v) }); err != nil {
		r.t.Errorf("%s %+v: %v", rpc.Lookup(proc).Name, a, err)
	}
	return v
}

func (r hives) handles(proc uint32, a rpc.Args) (v []int64) {
	r.t.Helper()
	err := invoke(r.c, proc, a, func(x *xdr.Codec) {
		v = make([]int64, x.Count(len(v), 8))
		for i := range v {
			x.Int64(&v[i])
		}
	})
	if err != nil {
		r.t.Errorf("%s %+v: %v", rpc.Lookup(proc).Name, a, err)
	}
	return v
}

// lookup follows names from the root.
func (r hives) lookup(names ...string) int64 {
	r.t.Helper()
	id := r.handle(rpc.ProcHivexRoot, &rpc.None{})
	for _, name := range names {
		id = r.handle(rpc.ProcHivexNodeGetChild, &rpc.HivexNodeGetChildArgs{Nodeh: id, Name: name})
	}
	return id
}

func (r hives) open(write bool) {
	r.t.Helper()
	wantOK(r.t, r.c, rpc.ProcHivexOpen, &rpc.HivexOpenArgs{Filename: softwareHive, Write: rpc.Some(write)})
}

// hivexImage makes an image with the hives of Windows, and mounts it.
func hivexImage(t *testing.T) (guest, hives) {
	t.Helper()
	needKernel(t)
	image := testguest.Windows(t)
	c := connect(t, Drive{Path: image})
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda2", Mountpoint: "/"})
	return guest{t: t, c: c}, hives{t, c}
}

func TestHivexRead(t *testing.T) {
	g, r := hivexImage(t)
	for proc, a := range map[uint32]rpc.Args{
		rpc.ProcHivexRoot: &rpc.None{}, rpc.ProcHivexClose: &rpc.None{}, rpc.ProcHivexNodeName: &rpc.HivexNodeNameArgs{Nodeh: 4128},
		rpc.ProcHivexCommit: &rpc.HivexCommitArgs{},
	} {
		wantError(t, g.c, proc, a, "do_"+rpc.Lookup(proc).Name+": you must call 'hivex-open' first to initialize the hivex handle")
	}
	wantError(t, g.c, rpc.ProcHivexOpen, &rpc.HivexOpenArgs{Filename: "/none"}, "hivex failed to open /none: No such file or directory")
	wantError(t, g.c, rpc.ProcHivexOpen, &rpc.HivexOpenArgs{Filename: "/Windows"}, "hivex failed to open /Windows: Invalid argument")
	wantError(t, g.c, rpc.ProcHivexOpen, &rpc.HivexOpenArgs{Filename: "/Windows/explorer.exe"}, "hivex failed to open /Windows/explorer.exe: Invalid argument")
	r.open(false)

	uninstall := r.lookup("Microsoft", "Windows", "CurrentVersion", "Uninstall")
	var names []string
	for _, id := range r.handles(rpc.ProcHivexNodeChildren, &rpc.HivexNodeChildrenArgs{Nodeh: uninstall}) {
		names = append(names, g.str(rpc.ProcHivexNodeName, &rpc.HivexNodeNameArgs{Nodeh: id}))
		if p := r.handle(rpc.ProcHivexNodeParent, &rpc.HivexNodeParentArgs{Nodeh: id}); p != uninstall {
			t.Errorf("the parent of %d is %d, not %d", id, p, uninstall)
		}
	}
	if got := strings.Join(names, " "); got != "Editor KB1" {
		t.Errorf("children: %s", got)
	}
	editor := r.lookup("microsoft", "WINDOWS", "CurrentVersion", "Uninstall", "editor")
	if n := len(r.handles(rpc.ProcHivexNodeValues, &rpc.HivexNodeValuesArgs{Nodeh: editor})); n != 6 {
		t.Errorf("%d values", n)
	}
	v := r.handle(rpc.ProcHivexNodeGetValue, &rpc.HivexNodeGetValueArgs{Nodeh: editor, Key: "publisher"})
	for _, proc := range []uint32{rpc.ProcHivexValueString, rpc.ProcHivexValueUtf8} {
		wantText(t, g.c, proc, &rpc.HivexValueStringArgs{Valueh: v}, "Grüße GmbH")
	}
	wantText(t, g.c, rpc.ProcHivexValueKey, &rpc.HivexValueKeyArgs{Valueh: v}, "Publisher")
	if n := r.handle(rpc.ProcHivexValueType, &rpc.HivexValueTypeArgs{Valueh: v}); n != int64(hive.String) {
		t.Errorf("type %d", n)
	}
	var data []byte
	err := invoke(g.c, rpc.ProcHivexValueValue, &rpc.HivexValueValueArgs{Valueh: v}, func(x *xdr.Codec) { x.Bytes(&data) })
	if err != nil || !bytes.Equal(data, hive.StringData("Grüße GmbH")) {
		t.Errorf("%q, %v", data, err)
	}
	// What is not there is 0, and no handle.
	if id := r.handle(rpc.ProcHivexNodeGetChild, &rpc.HivexNodeGetChildArgs{Nodeh: editor, Name: "none"}); id != 0 {
		t.Errorf("child %d", id)
	}
	if id := r.handle(rpc.ProcHivexNodeGetValue, &rpc.HivexNodeGetValueArgs{Nodeh: editor, Key: "none"}); id != 0 {
		t.Errorf("value %d", id)
	}
	for _, n := range []int64{0, -1, 1, 1 << 40, editor + 1, 1<<32 + editor} {
		err := invoke(g.c, rpc.ProcHivexNodeName, &rpc.HivexNodeNameArgs{Nodeh: n}, func(x *xdr.Codec) {})
		if !errors.Is(err, unix.EINVAL) {
			t.Errorf("node %d: %v", n, err)
		}
	}
	err = invoke(g.c, rpc.ProcHivexNodeAddChild, &rpc.HivexNodeAddChildArgs{Parent: editor, Name: "new"}, func(x *xdr.Codec) {})
	if !errors.Is(err, unix.EROFS) {
		t.Error(err)
	}
	// Its file keeps the file system busy, but to unmount everything closes it.
	err = invoke(g.c, rpc.ProcUmount, &rpc.UmountArgs{Pathordevice: "/"}, nil)
	if !errors.Is(err, unix.EBUSY) || len(list(t, g.c, rpc.ProcMounts)) != 1 {
		t.Error(err)
	}
	if r.lookup("Microsoft") == 0 {
		t.Error("the hive is closed")
	}
	wantOK(t, g.c, rpc.ProcUmountAll, &rpc.None{})
	wantError(t, g.c, rpc.ProcHivexRoot, &rpc.None{}, "do_hivex_root: .*")
	wantOK(t, g.c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda2", Mountpoint: "/"})
	r.open(false)
	r.open(true)
	wantOK(t, g.c, rpc.ProcHivexClose, &rpc.None{})
	wantOK(t, g.c, rpc.ProcUmount, &rpc.UmountArgs{Pathordevice: "/"})
	wantOK(t, g.c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda2", Mountpoint: "/"})
	r.open(false) // and nobody closes it
	var available int
	err = invoke(g.c, rpc.ProcInternalFeatureAvailable, &rpc.InternalFeatureAvailableArgs{Group: "hivex"}, func(x *xdr.Codec) { x.Int(&available) })
	if err != nil || available != groupAvailable {
		t.Errorf("group hivex: %d, %v", available, err)
	}
}

// TestHivexWrite edits a hive, and has the programs of hivex read it.
func TestHivexWrite(t *testing.T) {
	testimg.Need(t, "hivexget", "hivexregedit")
	g, r := hivexImage(t)
	r.open(true)
	root := r.lookup()
	node := r.handle(rpc.ProcHivexNodeAddChild, &rpc.HivexNodeAddChildArgs{Parent: root, Name: "Unboot"})
	below := r.handle(rpc.ProcHivexNodeAddChild, &rpc.HivexNodeAddChildArgs{Parent: node, Name: "Below"})
	big := testimg.Pattern(50_000, 7)
	for _, a := range []*rpc.HivexNodeSetValueArgs{
		{Nodeh: node, Key: "", T: int64(hive.String), Val: hive.StringData("the default")},
		{Nodeh: node, Key: "Text", T: int64(hive.String), Val: hive.StringData("old")},
		{Nodeh: node, Key: "text", T: int64(hive.ExpandString), Val: hive.StringData("%new%")},
		{Nodeh: node, Key: "Number", T: int64(hive.DWord), Val: binary.LittleEndian.AppendUint32(nil, 42)},
		{Nodeh: below, Key: "Big", T: int64(hive.Binary), Val: big},
		{Nodeh: below, Key: "Empty", T: 0x1234, Val: []byte{}},
	} {
		wantOK(t, g.c, rpc.ProcHivexNodeSetValue, a)
	}
	wantError(t, g.c, rpc.ProcHivexNodeSetValue, &rpc.HivexNodeSetValueArgs{Nodeh: node, Key: "a", T: -1}, ".*no type")
	wantError(t, g.c, rpc.ProcHivexNodeAddChild, &rpc.HivexNodeAddChildArgs{Parent: root, Name: "UNBOOT"}, "failed: File exists")
	wantOK(t, g.c, rpc.ProcHivexNodeDeleteChild, &rpc.HivexNodeDeleteChildArgs{Nodeh: r.lookup("Microsoft", "Windows", "CurrentVersion", "Uninstall", "Editor")})
	// Nothing is written before the commit.
	original := g.out(rpc.ProcDownload, &rpc.DownloadArgs{Remotefilename: softwareHive})
	other := "/other hive"
	wantError(t, g.c, rpc.ProcHivexCommit, &rpc.HivexCommitArgs{Filename: new(string)}, "do_hivex_commit: path must start with a / character")
	wantOK(t, g.c, rpc.ProcHivexCommit, &rpc.HivexCommitArgs{Filename: &other})
	if !bytes.Equal(g.out(rpc.ProcDownload, &rpc.DownloadArgs{Remotefilename: softwareHive}), original) {
		t.Error("a commit to another file has changed the original")
	}
	wantOK(t, g.c, rpc.ProcHivexCommit, &rpc.HivexCommitArgs{})
	wantOK(t, g.c, rpc.ProcHivexClose, &rpc.None{})
	for _, path := range []string{softwareHive, other} {
		file := filepath.Join(t.TempDir(), "hive")
		if err := os.WriteFile(file, g.out(rpc.ProcDownload, &rpc.DownloadArgs{Remotefilename: path}), 0o600); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{"@": "the default\n", "Text": "%new%\n", "number": "42\n"} {
			if got := run(t, nil, "hivexget", file, `\Unboot`, key); got != want {
				t.Errorf("%s: hivexget %s: %q, want %q", path, key, got, want)
			}
		}
		out := run(t, nil, "hivexregedit", "--export", file, `\Unboot\Below`)
		want := hexDump(big)
		if !strings.Contains(out, `"Big"=hex(3):`+want+"\n") || !strings.Contains(out, `"Empty"=hex(1234):`) {
			t.Errorf("%s: %.300s", path, out)
		}
		if out := run(t, nil, "hivexregedit", "--export", file, `\Microsoft\Windows\CurrentVersion\Uninstall`); strings.Contains(out, `\Editor]`) {
			t.Errorf("%s: %s", path, out)
		}
	}
	// What is shorter than before is cut off.
	wantOK(t, g.c, rpc.ProcInternalWriteAppend, &rpc.InternalWriteAppendArgs{Path: other, Content: make([]byte, 100_000)})
	wantOK(t, g.c, rpc.ProcHivexOpen, &rpc.HivexOpenArgs{Filename: other, Write: rpc.Some(true)})
	wantOK(t, g.c, rpc.ProcHivexCommit, &rpc.HivexCommitArgs{})
	if n := len(g.out(rpc.ProcDownload, &rpc.DownloadArgs{Remotefilename: other})); n%4096 != 0 || n == 0 {
		t.Errorf("%d bytes", n)
	}
}

// hexDump writes bytes as a .reg file has them.
func hexDump(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for i, c := range b {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}
