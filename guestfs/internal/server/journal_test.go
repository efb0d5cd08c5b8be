package server

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testguest"
)

// journalFields makes the call journal_get.
func (g guest) journalFields() (fields []string) {
	g.t.Helper()
	b := g.out(rpc.ProcInternalJournalGet, &rpc.None{})
	for len(b) >= 8 {
		n := binary.BigEndian.Uint64(b)
		if n > uint64(len(b)-8) {
			g.t.Fatalf("a field of %d bytes, of which %d came", n, len(b)-8)
		}
		fields = append(fields, string(b[8:8+n]))
		b = b[8+n:]
	}
	return fields
}

func TestJournal(t *testing.T) {
	needKernel(t)
	const entries = 40
	image := testguest.Fedora(t, testguest.Journal(t, entries))
	c := connect(t, Drive{Path: image})
	g := guest{t: t, c: c}
	mount := func() {
		wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "btrfsvol:/dev/sda3/root", Mountpoint: "/"})
	}
	mount()
	wantError(t, c, rpc.ProcJournalNext, &rpc.None{}, "do_journal_next: you must call 'journal-open' first to initialize the journal handle")
	if err := invoke(c, rpc.ProcJournalOpen, &rpc.JournalOpenArgs{Directory: "/none"}, nil); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
	// A file that is none of the journal's is ignored.
	wantOK(t, c, rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: "/var/log/journal/bad.journal", Content: []byte("no journal")})
	wantOK(t, c, rpc.ProcJournalOpen, &rpc.JournalOpenArgs{Directory: "/var/log/journal"})
	wantError(t, c, rpc.ProcJournalGetRealtimeUsec, &rpc.None{}, "sd_journal_get_realtime_usec: Cannot assign requested address")
	n := 0
	for {
		var more bool
		if err := invoke(c, rpc.ProcJournalNext, &rpc.None{}, func(x *xdr.Codec) { x.Bool(&more) }); err != nil || !more {
			if err != nil {
				t.Error(err)
			}
			break
		}
		var usec int64
		err := invoke(c, rpc.ProcJournalGetRealtimeUsec, &rpc.None{}, func(x *xdr.Codec) { x.Int64(&usec) })
		if err != nil || usec != 1_700_000_000_000_000+int64(n)*1_000_000 {
			t.Errorf("entry %d: %d, %v", n, usec, err)
		}
		fields := g.journalFields()
		if !slices.Contains(fields, "_HOSTNAME="+testguest.FedoraHostname) || len(fields) < 6 {
			t.Errorf("entry %d: %q", n, fields)
		}
		n++
	}
	if n != entries {
		t.Errorf("%d entries", n)
	}
	wantOK(t, c, rpc.ProcJournalOpen, &rpc.JournalOpenArgs{Directory: "/var/log/journal"})
	var skipped int64
	if err := invoke(c, rpc.ProcJournalSkip, &rpc.JournalSkipArgs{Skip: 4}, func(x *xdr.Codec) { x.Int64(&skipped) }); err != nil || skipped != 4 {
		t.Error(skipped, err)
	}
	// A hint that short fields do not need.
	wantOK(t, c, rpc.ProcJournalSetDataThreshold, &rpc.JournalSetDataThresholdArgs{Threshold: 30})
	if f := g.journalFields(); !slices.Contains(f, "MESSAGE=message number 3"+strings.Repeat(" long", 500)) {
		t.Errorf("%q", f)
	}
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	wantError(t, c, rpc.ProcJournalClose, &rpc.None{}, "do_journal_close: .*")
	mount()
	wantOK(t, c, rpc.ProcJournalOpen, &rpc.JournalOpenArgs{Directory: "/var/log/journal"})
	wantOK(t, c, rpc.ProcJournalClose, &rpc.None{})
	wantOK(t, c, rpc.ProcUmount, &rpc.UmountArgs{Pathordevice: "/"})
}
