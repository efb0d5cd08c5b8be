package protocol

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"
)

// TestCancelAnswersData: a daemon that fails before anything of the file has come says so
// only to who sends data. libguestfs that gives up at the same time would wait forever.
func TestCancelAnswersData(t *testing.T) {
	call := callMessage(t, procUploadFail, number(0))
	word := binary.BigEndian.AppendUint32(nil, CancelWord)
	for _, test := range []struct {
		name   string
		file   []byte
		cancel bool
	}{
		{"gives up", appendChunk(nil, nil, true), false},
		{"empty", appendChunk(nil, nil, false), false},
		{"data", appendChunk(appendChunk(nil, []byte("data"), false), nil, true), true},
	} {
		s := &scripted{Reader: bytes.NewReader(append(bytes.Clone(call), test.file...))}
		if err := (&Server{Handler: &testDaemon{t: t}}).Serve(context.Background(), s); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if got := bytes.HasPrefix(s.written.Bytes(), word); got != test.cancel {
			t.Errorf("%s: CANCEL %t", test.name, got)
		}
		if n := bytes.Count(s.written.Bytes(), word); s.written.Len() == 0 || n > 1 {
			t.Errorf("%s: %d CANCELs in %d bytes", test.name, n, s.written.Len())
		}
	}
}
