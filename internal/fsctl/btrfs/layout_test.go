package btrfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl/btrfs"
	"github.com/unboot/unboot/internal/fsctl/fsctltest"
)

// memory is memory for a structure that another one points to.
type memory []byte

func (m memory) Bytes() []byte { return m }
func (m memory) Addr() uint64  { return 0x1234567890 }

// oneDevice answers as a file system with one device, of the ID 1, and with empty trees.
func oneDevice(c *fsctltest.Call, arg []byte) error {
	const search, info = 17, 31
	switch c.Req & 0xff {
	case search:
		binary.NativeEndian.PutUint32(arg[64:], 0)
	case info:
		binary.NativeEndian.PutUint64(arg, 1)
	}
	return nil
}

// only returns an error unless it is the one that is expected.
func only(err, expected error) error {
	if err == expected {
		return nil
	}
	return err
}

// TestNumbers compares the number of each ioctl with that of linux/btrfs.h.
func TestNumbers(t *testing.T) {
	v := &fsctltest.View{Answer: oneDevice}
	fs := btrfs.FS{View: v, FD: 5}
	calls := map[string]func() error{
		"BTRFS_IOC_SYNC":              fs.Sync,
		"BTRFS_IOC_FS_INFO":           func() error { _, err := fs.UUID(); return err },
		"BTRFS_IOC_RESIZE":            func() error { return fs.Resize(1 << 30) },
		"BTRFS_IOC_ADD_DEV":           func() error { return fs.AddDevice("/dev/sdb") },
		"BTRFS_IOC_RM_DEV":            func() error { return fs.RemoveDevice("/dev/sdb") },
		"BTRFS_IOC_DEV_REPLACE":       func() error { return fs.ReplaceDevice("/dev/sda", "/dev/sdb") },
		"BTRFS_IOC_DEFRAG_RANGE":      func() error { return fs.Defragment(btrfs.Defrag{Flush: true, Compress: "zstd"}) },
		"BTRFS_IOC_BALANCE_V2":        fs.Balance,
		"BTRFS_IOC_BALANCE_CTL":       fs.PauseBalance,
		"BTRFS_IOC_BALANCE_PROGRESS":  func() error { _, err := fs.BalanceProgress(); return err },
		"BTRFS_IOC_SCRUB":             func() error { _, err := fs.Scrub(true); return err },
		"BTRFS_IOC_SCRUB_CANCEL":      fs.CancelScrub,
		"BTRFS_IOC_QUOTA_CTL":         fs.DisableQuota,
		"BTRFS_IOC_QUOTA_RESCAN_WAIT": fs.RescanQuota,
		"BTRFS_IOC_QGROUP_LIMIT":      func() error { return fs.LimitGroup(5, 1<<20) },
		"BTRFS_IOC_QGROUP_CREATE":     func() error { return fs.CreateGroup(5) },
		"BTRFS_IOC_QGROUP_ASSIGN":     func() error { return fs.AssignGroup(5, 1<<48) },
		"BTRFS_IOC_TREE_SEARCH":       func() error { _, err := fs.Groups(); return err },
		"BTRFS_IOC_SUBVOL_CREATE_V2":  func() error { return fs.Create("v", nil) },
		"BTRFS_IOC_SNAP_CREATE_V2":    func() error { return fs.Snapshot("s", 9, true, nil) },
		"BTRFS_IOC_SNAP_DESTROY":      func() error { return fs.Delete("s") },
		"BTRFS_IOC_DEFAULT_SUBVOL":    func() error { return fs.SetDefault(5) },
		"BTRFS_IOC_GET_SUBVOL_INFO":   func() error { _, err := fs.Info(); return err },
		"BTRFS_IOC_SEND":              func() error { return fs.Send(7, btrfs.Send{Version: 1}) },
		"BTRFS_IOC_SUBVOL_SETFLAGS":   func() error { return fs.SetReadOnly(true) },
		"BTRFS_IOC_CLONE_RANGE":       func() error { return fs.CloneRange(7, 0, 4096, 0) },
		"BTRFS_IOC_DEV_INFO":          func() error { _, err := fs.Device(); return only(err, unix.ENODEV) },
		"BTRFS_IOC_ENCODED_WRITE":     func() error { return fs.WriteEncoded(btrfs.Encoded{}, make(memory, btrfs.EncodedRoom), 0) },
		"BTRFS_IOC_SET_RECEIVED_SUBVOL": func() error {
			return fs.SetReceived(btrfs.UUID{1}, 5)
		},
	}
	var names []string
	for name := range calls {
		names = append(names, name)
	}
	want := fsctltest.C(t, []string{"linux/btrfs.h"}, names...)
	for name, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c := v.Last(); uint64(c.Req) != want[name] || c.FD != 5 {
			t.Errorf("%s: %#x on %d, want %#x", name, c.Req, c.FD, want[name])
		}
	}
}

// fields are those that arguments have, by their places in linux/btrfs.h.
type fields map[string]uint64

func fieldsOf(t *testing.T, list ...string) fields {
	var expressions []string
	for _, f := range list {
		expressions = append(expressions, "offsetof("+f+")")
	}
	m := fields{}
	for e, v := range fsctltest.C(t, []string{"linux/btrfs.h", "linux/btrfs_tree.h"}, expressions...) {
		m[e[len("offsetof("):len(e)-1]] = v
	}
	return m
}

func (m fields) at(t *testing.T, arg []byte, field string, want uint64) {
	t.Helper()
	at, ok := m[field]
	if got := binary.NativeEndian.Uint64(arg[at:]); !ok || got != want {
		t.Errorf("%s: %#x, want %#x", field, got, want)
	}
}

func (m fields) text(t *testing.T, arg []byte, field, want string) {
	t.Helper()
	at, ok := m[field]
	got, _, _ := bytes.Cut(arg[at:], []byte{0})
	if !ok || string(got) != want {
		t.Errorf("%s: %q, want %q", field, got, want)
	}
}

// TestArguments compares the places of what is passed with linux/btrfs.h.
func TestArguments(t *testing.T) {
	const (
		v1, v2    = "struct btrfs_ioctl_vol_args, ", "struct btrfs_ioctl_vol_args_v2, "
		inherits  = "struct btrfs_qgroup_inherit, "
		replace   = "struct btrfs_ioctl_dev_replace_args, "
		defrag    = "struct btrfs_ioctl_defrag_range_args, "
		limit     = "struct btrfs_ioctl_qgroup_limit_args, "
		assign    = "struct btrfs_ioctl_qgroup_assign_args, "
		scrubArgs = "struct btrfs_ioctl_scrub_args, "
		clone     = "struct btrfs_ioctl_clone_range_args, "
		send      = "struct btrfs_ioctl_send_args, "
		received  = "struct btrfs_ioctl_received_subvol_args, "
		encoded   = "struct btrfs_ioctl_encoded_io_args, "
	)
	m := fieldsOf(t, v1+"name", v2+"fd", v2+"flags", v2+"size", v2+"qgroup_inherit", v2+"name",
		inherits+"num_qgroups", inherits+"qgroups", replace+"start.srcdev_name", replace+"start.tgtdev_name", replace+"result",
		defrag+"len", defrag+"flags", defrag+"extent_thresh", defrag+"compress_type",
		limit+"qgroupid", limit+"lim.flags", limit+"lim.max_rfer", assign+"assign", assign+"src", assign+"dst",
		scrubArgs+"devid", scrubArgs+"end", scrubArgs+"flags",
		clone+"src_fd", clone+"src_offset", clone+"src_length", clone+"dest_offset",
		send+"send_fd", send+"clone_sources_count", send+"clone_sources", send+"parent_root", send+"flags", send+"version",
		received+"uuid", received+"stransid", encoded+"iov", encoded+"iovcnt", encoded+"offset", encoded+"len",
		encoded+"unencoded_len", encoded+"unencoded_offset", encoded+"compression")
	v := &fsctltest.View{Answer: oneDevice}
	fs := btrfs.FS{View: v, FD: 5}
	do := func(err error) []byte {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
		return v.Last().Arg
	}
	m.text(t, do(fs.Grow()), v1+"name", "1:max")
	m.text(t, do(fs.Resize(1<<30)), v1+"name", "1:1073741824")
	m.text(t, do(fs.Delete("old")), v1+"name", "old")
	mem := make(memory, btrfs.InheritSize)
	arg := do(fs.Snapshot("snap", 9, true, &btrfs.Inherit{Group: 1<<48 | 7, Memory: mem}))
	m.at(t, arg, v2+"fd", 9)
	m.at(t, arg, v2+"flags", 2|4) // BTRFS_SUBVOL_RDONLY | BTRFS_SUBVOL_QGROUP_INHERIT
	m.at(t, arg, v2+"size", btrfs.InheritSize)
	m.at(t, arg, v2+"qgroup_inherit", mem.Addr())
	m.text(t, arg, v2+"name", "snap")
	m.at(t, mem, inherits+"num_qgroups", 1)
	m.at(t, mem, inherits+"qgroups", 1<<48|7)
	arg = do(fs.ReplaceDevice("/dev/sda", "/dev/sdb"))
	m.text(t, arg, replace+"start.srcdev_name", "/dev/sda")
	m.text(t, arg, replace+"start.tgtdev_name", "/dev/sdb")
	arg = do(fs.Defragment(btrfs.Defrag{Compress: "lzo"}))
	m.at(t, arg, defrag+"len", ^uint64(0))
	m.at(t, arg, defrag+"flags", 1) // BTRFS_DEFRAG_RANGE_COMPRESS
	m.at(t, arg, defrag+"extent_thresh", 2<<32)
	if m[defrag+"compress_type"] != m[defrag+"extent_thresh"]+4 {
		t.Error("compress_type is somewhere else")
	}
	arg = do(fs.LimitGroup(3, 1<<20))
	m.at(t, arg, limit+"qgroupid", 3)
	m.at(t, arg, limit+"lim.flags", 1) // BTRFS_QGROUP_LIMIT_MAX_RFER
	m.at(t, arg, limit+"lim.max_rfer", 1<<20)
	arg = do(fs.AssignGroup(3, 1<<48))
	m.at(t, arg, assign+"assign", 1)
	m.at(t, arg, assign+"src", 3)
	m.at(t, arg, assign+"dst", 1<<48)
	_, err := fs.Scrub(true)
	arg = do(err)
	m.at(t, arg, scrubArgs+"devid", 1)
	m.at(t, arg, scrubArgs+"end", ^uint64(0))
	m.at(t, arg, scrubArgs+"flags", 1) // BTRFS_SCRUB_READONLY
	if do(fs.CancelBalance()); v.Last().Value != 2 {
		t.Errorf("BTRFS_BALANCE_CTL_CANCEL is %d", v.Last().Value)
	}

	arg = do(fs.CloneRange(7, 4096, 8192, 12288))
	m.at(t, arg, clone+"src_fd", 7)
	m.at(t, arg, clone+"src_offset", 4096)
	m.at(t, arg, clone+"src_length", 8192)
	m.at(t, arg, clone+"dest_offset", 12288)
	mem = make(memory, 16)
	arg = do(fs.Send(7, btrfs.Send{Parent: 256, Clones: []uint64{256, 257}, Version: 2, Compressed: true, NoData: true, Memory: mem}))
	m.at(t, arg, send+"send_fd", 7)
	m.at(t, arg, send+"clone_sources_count", 2)
	m.at(t, arg, send+"clone_sources", mem.Addr())
	m.at(t, arg, send+"parent_root", 256)
	m.at(t, arg, send+"flags", 0x1|0x8|0x10) // BTRFS_SEND_FLAG_NO_FILE_DATA, _VERSION, _COMPRESSED
	if at := m[send+"version"]; binary.NativeEndian.Uint32(arg[at:]) != 2 || binary.NativeEndian.Uint64(mem[8:]) != 257 {
		t.Errorf("version %d, clones %d", arg[at], mem)
	}
	arg = do(fs.SetReceived(btrfs.UUID{1}, 77))
	m.at(t, arg, received+"uuid", 1)
	m.at(t, arg, received+"stransid", 77)
	mem = make(memory, btrfs.EncodedRoom+100)
	arg = do(fs.WriteEncoded(btrfs.Encoded{Offset: 1, Length: 2, UnencodedLength: 3, UnencodedOffset: 4, Compression: 5, Encryption: 6}, mem, 100))
	m.at(t, arg, encoded+"iov", mem.Addr())
	m.at(t, arg, encoded+"iovcnt", 1)
	m.at(t, arg, encoded+"offset", 1)
	m.at(t, arg, encoded+"len", 2)
	m.at(t, arg, encoded+"unencoded_len", 3)
	m.at(t, arg, encoded+"unencoded_offset", 4)
	m.at(t, arg, encoded+"compression", 6<<32|5)
	if binary.NativeEndian.Uint64(mem) != mem.Addr()+btrfs.EncodedRoom || binary.NativeEndian.Uint64(mem[8:]) != 100 {
		t.Errorf("the data is at %d", mem[:16])
	}
	if err := fs.WriteEncoded(btrfs.Encoded{}, mem, 101); err != unix.EINVAL {
		t.Error(err)
	}

	v.Answer = func(_ *fsctltest.Call, arg []byte) error {
		arg[m[replace+"result"]] = 2
		return nil
	}
	var refused btrfs.ReplaceError
	if err := fs.ReplaceDevice("/dev/sda", "/dev/sdb"); !errors.As(err, &refused) || refused != 2 {
		t.Error(err)
	}
	long := string(bytes.Repeat([]byte("x"), 4096))
	for _, err := range []error{fs.Create(long, nil), fs.Delete(long), fs.ReplaceDevice(long, long)} {
		if err != unix.ENAMETOOLONG {
			t.Error(err)
		}
	}
	if err := fs.Defragment(btrfs.Defrag{Compress: "gzip"}); err != unix.EINVAL {
		t.Error(err)
	}
}

// TestAnswers compares the places of what is read with linux/btrfs.h.
func TestAnswers(t *testing.T) {
	const sub, progress = "struct btrfs_ioctl_get_subvol_info_args, ", "struct btrfs_scrub_progress, "
	names := []string{"treeid", "name", "parent_id", "generation", "flags", "uuid", "parent_uuid", "received_uuid", "otransid", "stransid", "rtransid", "otime", "stime", "rtime"}
	sums := []string{"data_extents_scrubbed", "tree_extents_scrubbed", "data_bytes_scrubbed", "tree_bytes_scrubbed", "read_errors", "csum_errors", "verify_errors",
		"no_csum", "csum_discards", "super_errors", "malloc_errors", "uncorrectable_errors", "corrected_errors", "last_physical", "unverified_errors"}
	var list []string
	for _, n := range names {
		list = append(list, sub+n)
	}
	for _, n := range sums {
		list = append(list, progress+n)
	}
	list = append(list, "struct btrfs_ioctl_scrub_args, progress", "struct btrfs_ioctl_fs_info_args, fsid",
		"struct btrfs_ioctl_balance_args, state", "struct btrfs_ioctl_balance_args, stat")
	m := fieldsOf(t, list...)
	put := func(arg []byte, field string, v uint64) { binary.NativeEndian.PutUint64(arg[m[field]:], v) }
	v := &fsctltest.View{Answer: func(c *fsctltest.Call, arg []byte) error {
		switch c.Req & 0xff {
		case 60:
			for i, n := range names {
				put(arg, sub+n, uint64(i+1))
			}
			copy(arg[m[sub+"name"]:], "home\x00")
			put(arg, sub+"rtime", ^uint64(0)) // before 1970, or not at all
		case 31:
			put(arg, "struct btrfs_ioctl_fs_info_args, fsid", 0x0807060504030201)
			arg[0] = 2
		case 27:
			for i, n := range sums {
				at := m["struct btrfs_ioctl_scrub_args, progress"] + m[progress+n]
				binary.NativeEndian.PutUint64(arg[at:], uint64(i+1))
			}
		case 34:
			put(arg, "struct btrfs_ioctl_balance_args, state", 1)
			for i := range uint64(3) {
				binary.NativeEndian.PutUint64(arg[m["struct btrfs_ioctl_balance_args, stat"]+8*i:], 10+i)
			}
		}
		return nil
	}}
	fs := btrfs.FS{View: v}
	i, err := fs.Info()
	if err != nil || i.ID != 1 || i.Name != "home" || i.Parent != 3 || i.Generation != 4 || !i.ReadOnly || i.UUID[0] != 6 || i.ParentUUID[0] != 7 || i.ReceivedUUID[0] != 8 ||
		i.Created != 9 || i.SentTransid != 10 || i.ReceivedTransid != 11 || i.Creation != time.Unix(12, 0).UTC() || i.Sent != time.Unix(13, 0).UTC() || !i.Received.IsZero() {
		t.Errorf("%+v, %v", i, err)
	}
	if id, err := fs.UUID(); err != nil || id.String() != "01020304-0506-0708-0000-000000000000" {
		t.Errorf("%s, %v", id, err)
	}
	p, err := fs.Scrub(false)
	if want := (btrfs.ScrubProgress{2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30}); err != nil || p != want {
		t.Errorf("the sums of two devices are %+v, %v", p, err)
	}
	if n := p.Errors(); n != 24+10+12+14+20 {
		t.Errorf("%d errors", n)
	}
	if b, err := fs.BalanceProgress(); err != nil || b != (btrfs.BalanceProgress{Running: true, Expected: 10, Considered: 11, Completed: 12}) {
		t.Errorf("%+v, %v", b, err)
	}
	v.Answer = func(*fsctltest.Call, []byte) error { return unix.ENOTCONN }
	for _, call := range []func() error{fs.ResumeBalance, fs.PauseBalance, fs.CancelBalance, fs.CancelScrub, func() error { _, err := fs.BalanceProgress(); return err }} {
		if err := call(); !errors.Is(err, btrfs.ErrNotRunning) || !errors.Is(err, unix.ENOTCONN) {
			t.Error(err)
		}
	}
}

// tree answers searches with items, in the manner of the kernel: all of them at once, and
// none from the last one on.
func tree(items []btrfs.Item) func(*fsctltest.Call, []byte) error {
	return func(c *fsctltest.Call, arg []byte) error {
		if c.Req&0xff != 17 {
			return nil
		}
		ne := binary.NativeEndian
		from := [3]uint64{ne.Uint64(c.Arg[8:]), uint64(ne.Uint32(c.Arg[56:])), ne.Uint64(c.Arg[24:])}
		n, rest := uint32(0), arg[104:]
		for _, i := range items {
			if slices.Compare([]uint64{i.Object, uint64(i.Kind), i.Offset}, from[:]) < 0 || len(rest) < 32+len(i.Data) {
				continue
			}
			clear(rest[:8])
			ne.PutUint64(rest[8:], i.Object)
			ne.PutUint64(rest[16:], i.Offset)
			ne.PutUint32(rest[24:], i.Kind)
			ne.PutUint32(rest[28:], uint32(len(i.Data)))
			rest = rest[32+copy(rest[32:], i.Data):]
			n++
		}
		ne.PutUint32(arg[64:], n)
		return nil
	}
}

// TestGroups reads quota groups, and what is none.
func TestGroups(t *testing.T) {
	data := make([]byte, 40)
	data[8], data[24] = 5, 7
	v := &fsctltest.View{Answer: tree([]btrfs.Item{{Kind: 240}, {Kind: 242, Offset: 5, Data: data}, {Kind: 242, Offset: 1<<48 | 2, Data: data}, {Kind: 242, Offset: 1<<48 | 3}})}
	fs := btrfs.FS{View: v}
	if got, err := fs.Groups(); err != nil || fmt.Sprint(got) != "[{0/5 5 7} {1/2 5 7}]" {
		t.Errorf("%v, %v", got, err)
	}
	v.Answer = func(c *fsctltest.Call, _ []byte) error {
		if c.Arg != nil {
			return unix.ENOENT
		}
		return nil
	}
	if _, err := fs.Groups(); err != btrfs.ErrNoQuota {
		t.Error(err)
	}
	for text, want := range map[string]btrfs.GroupID{"5": 5, "0/5": 5, "1/2": 1<<48 | 2, "65535/281474976710655": 1<<64 - 1} {
		if id, err := btrfs.ParseGroupID(text); id != want || err != nil {
			t.Errorf("%s: %v, %v", text, id, err)
		}
	}
	for _, text := range []string{"", "x", "1/", "/1", "65536/1", "0/281474976710656", "-1", "1/2/3"} {
		if id, err := btrfs.ParseGroupID(text); err == nil {
			t.Errorf("%q: %v", text, id)
		}
	}
}

// TestMinimumSize moves chunks from the end to holes that are large enough.
func TestMinimumSize(t *testing.T) {
	const mib, extent = 1 << 20, 204
	chunk := func(start, length uint64) btrfs.Item {
		data := make([]byte, 48)
		binary.LittleEndian.PutUint64(data[24:], length)
		return btrfs.Item{Object: 1, Kind: extent, Offset: start, Data: data}
	}
	for _, c := range []struct {
		items []btrfs.Item
		want  int64
		err   error
	}{
		{nil, mib, nil},
		{[]btrfs.Item{chunk(mib, 8*mib), chunk(9*mib, mib)}, 10 * mib, nil},
		{[]btrfs.Item{chunk(5*mib, 2*mib), chunk(100*mib, 4*mib)}, 7 * mib, nil},
		{[]btrfs.Item{chunk(5*mib, 2*mib), chunk(100*mib, 5*mib)}, 12 * mib, nil},
		{[]btrfs.Item{chunk(5*mib, 2*mib), chunk(6*mib, mib)}, -1, unix.EUCLEAN},
		{[]btrfs.Item{chunk(5*mib, 1<<63)}, -1, unix.EUCLEAN},
	} {
		fs := btrfs.FS{View: &fsctltest.View{Answer: tree(c.items)}}
		if got, err := fs.MinimumSize(1); got != c.want || err != c.err {
			t.Errorf("%d chunks: %d, %v, want %d, %v", len(c.items), got, err, c.want, c.err)
		}
	}
}

// FuzzSearch reads any answers of a kernel to a search.
func FuzzSearch(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0}, uint64(5))
	f.Add(bytes.Repeat([]byte{0xff}, 4096), uint64(1))
	f.Fuzz(func(t *testing.T, answer []byte, object uint64) {
		calls := 0
		v := &fsctltest.View{Answer: func(c *fsctltest.Call, arg []byte) error {
			if calls++; calls > 100 {
				return unix.EIO
			}
			if c.Req&0xff == 17 {
				copy(arg[64:], answer)
			}
			return nil
		}}
		fs := btrfs.FS{View: v}
		fs.Groups()
		fs.Subvolumes()
		fs.Roots()
		fs.Default()
		if n, err := fs.MinimumSize(object); err == nil && n < 1<<20 {
			t.Errorf("%d", n)
		}
	})
}
