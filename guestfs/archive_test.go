package guestfs

import (
	"archive/tar"
	"bytes"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// member is one of an archive.
type member struct {
	name     string
	typ      byte
	link     string
	contents string
}

func makeArchive(t testing.TB, members []member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		check(t, w.WriteHeader(&tar.Header{
			Name: m.name, Typeflag: m.typ, Linkname: m.link, Size: int64(len(m.contents)), Mode: 0o777,
		}))
		_, err := w.Write([]byte(m.contents))
		check(t, err)
	}
	check(t, w.Close())
	return b.Bytes()
}

func answerBool(c *protocol.Call, v bool) error {
	c.Return(func(x *xdr.Codec) { x.Bool(&v) })
	return nil
}

// FuzzStreams decodes what a daemon sends as lists.
func FuzzStreams(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 3, 'a', '=', 'b'})
	f.Add(make([]byte, 80))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := decodeAll(b, codeTSKDirent); err == nil && len(*l) > len(b) {
			t.Error("more entries than bytes")
		}
		decodeAll(b, codeYaraDetection)
		if l, err := decodeJournal(b); err == nil && len(*l) > len(b)/8 {
			t.Error("more fields than there is room for")
		}
	})
}
