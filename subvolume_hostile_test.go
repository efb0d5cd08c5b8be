package unboot_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/btrfsstream"
)

// A streamWriter makes streams that no kernel would.
type streamWriter struct{ bytes.Buffer }

func newStream() *streamWriter {
	w := &streamWriter{}
	w.WriteString(btrfsstream.Magic)
	w.Write([]byte{1, 0, 0, 0})
	return w
}

// do adds a command. Values are texts, numbers, or bytes.
func (w *streamWriter) do(k btrfsstream.Kind, attrs ...any) *streamWriter {
	le := binary.LittleEndian
	var body []byte
	for i := 0; i < len(attrs); i += 2 {
		var value []byte
		switch v := attrs[i+1].(type) {
		case string:
			value = []byte(v)
		case int:
			value = le.AppendUint64(nil, uint64(v))
		case []byte:
			value = v
		}
		body = le.AppendUint16(body, uint16(attrs[i].(btrfsstream.Attr)))
		body = le.AppendUint16(body, uint16(len(value)))
		body = append(body, value...)
	}
	b := le.AppendUint32(nil, uint32(len(body)))
	b = le.AppendUint16(b, uint16(k))
	b = append(append(b, 0, 0, 0, 0), body...)
	le.PutUint32(b[6:], ^crc32.Update(^uint32(0), crc32.MakeTable(crc32.Castagnoli), b))
	w.Write(b)
	return w
}

func (w *streamWriter) subvol(name string) *streamWriter {
	return w.do(btrfsstream.Subvol, btrfsstream.Path, name, btrfsstream.UUID, bytes.Repeat([]byte{7}, 16), btrfsstream.Ctransid, 5)
}

// TestReceiveConfined receives streams that want out of their subvolume.
func TestReceiveConfined(t *testing.T) {
	const p, to, link, data, at = btrfsstream.Path, btrfsstream.PathTo, btrfsstream.PathLink, btrfsstream.Data, btrfsstream.FileOffset
	image := hostBtrfs(t, "mkdir in; echo secret >secret; echo secret >in/secret")
	_, f := openWritable(t, image, "")
	for name, c := range map[string]struct {
		stream *streamWriter
		err    error
	}{
		"no name":             {newStream().subvol(""), btrfsstream.ErrFormat},
		"a name above":        {newStream().subvol(".."), btrfsstream.ErrFormat},
		"a name elsewhere":    {newStream().subvol("../x"), btrfsstream.ErrFormat},
		"an absolute name":    {newStream().subvol("/x"), btrfsstream.ErrFormat},
		"one that is there":   {newStream().subvol("secret"), unix.EEXIST},
		"nothing begun":       {newStream().do(btrfsstream.Unlink, p, "secret"), btrfsstream.ErrFormat},
		"unlink above":        {newStream().subvol("v").do(btrfsstream.Unlink, p, "../secret"), unix.ENOENT},
		"rename from above":   {newStream().subvol("v").do(btrfsstream.Rename, p, "../../secret", to, "x"), unix.ENOENT},
		"link from above":     {newStream().subvol("v").do(btrfsstream.Link, p, "x", link, "../secret"), unix.ENOENT},
		"write above":         {newStream().subvol("v").do(btrfsstream.Write, p, "../secret", at, 0, data, "public"), unix.ENOENT},
		"by a link":           {newStream().subvol("v").do(btrfsstream.Symlink, p, "l", link, "../secret").do(btrfsstream.Write, p, "l", at, 0, data, "public"), unix.ELOOP},
		"by a link to a dir":  {newStream().subvol("v").do(btrfsstream.Symlink, p, "l", link, "/../in").do(btrfsstream.Write, p, "l/secret", at, 0, data, "public"), unix.ENOENT},
		"truncate by a link":  {newStream().subvol("v").do(btrfsstream.Symlink, p, "l", link, "../../secret").do(btrfsstream.Truncate, p, "l", btrfsstream.Size, 0), unix.ENOENT},
		"beyond all sizes":    {newStream().subvol("v").do(btrfsstream.Mkfile, p, "f").do(btrfsstream.Write, p, "f", at, -1, data, "x"), unix.EFBIG},
		"clone from nowhere":  {newStream().subvol("v").do(btrfsstream.Mkfile, p, "f").do(btrfsstream.Clone, p, "f", at, 0, btrfsstream.CloneUUID, make([]byte, 16), btrfsstream.CloneCtransid, 0, btrfsstream.ClonePath, "secret", btrfsstream.CloneOffset, 0, btrfsstream.CloneLen, 7), nil},
		"an attribute less":   {newStream().subvol("v").do(btrfsstream.Chmod, p, "f"), btrfsstream.ErrFormat},
		"a fifo is no file":   {newStream().subvol("v").do(btrfsstream.Mkfifo, p, "f").do(btrfsstream.Write, p, "f", at, 0, data, "x"), unix.ESPIPE},
		"a device is no file": {newStream().subvol("v").do(btrfsstream.Mknod, p, "f", btrfsstream.Mode, unix.S_IFBLK|0o600, btrfsstream.Rdev, 8<<8).do(btrfsstream.Write, p, "f", at, 0, data, "x"), nil},
	} {
		_, err := f.ReceiveSubvolumes(c.stream, "in", unboot.ReceiveOptions{})
		if err == nil || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
		if _, err := f.Stat("in/v"); err == nil {
			if err := f.DeleteSubvolume("in/v"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		wantFile(t, f, "secret", "secret\n")
		wantFile(t, f, "in/secret", "secret\n")
	}
	if names, err := f.ReadDir("in"); err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}

// TestSendKilled ends the kernel while a stream comes out of it.
func TestSendKilled(t *testing.T) {
	image := hostBtrfs(t, "btrfs subvolume create v >/dev/null; head -c 5000000 /dev/urandom >v/f; btrfs property set v ro true")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	img, err := unboot.Open(ctx, image)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	f, err := img.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	err = f.SendSubvolume(writerFunc(func(p []byte) (int, error) {
		cancel()
		for img.Kernel().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		return len(p), nil
	}), "v", unboot.SendOptions{})
	if err == nil {
		t.Error("a whole stream")
	}
}

// With a fixed clock the kernel does one call at a time, in which nothing comes out of a
// pipe.
func TestSendFixedClock(t *testing.T) {
	image := hostBtrfs(t, "btrfs subvolume create v >/dev/null; btrfs property set v ro true")
	img, err := unboot.Open(t.Context(), image, unboot.Clock(time.Unix(1e9, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	f, err := img.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.SendSubvolume(new(bytes.Buffer), "v", unboot.SendOptions{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if err := f.SendSubvolume(new(bytes.Buffer), "../v", unboot.SendOptions{}); !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, os.ErrInvalid) {
		t.Errorf("%v", err)
	}
}
