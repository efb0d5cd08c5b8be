package server

import (
	"context"
	"encoding/binary"
	"io"
	"path"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/inspect/journal"
	"github.com/unboot/unboot/internal/lazyregexp"
)

// The journal of systemd, as sd-journal(3) has it: one is open at a time, and journal_next
// comes before all that asks about an entry.

// journals is the open journal.
type journals struct {
	j         *journal.Journal
	files     []*handle
	threshold int64 // bytes of a field that programs want
	inEntry   bool
}

// close closes the files, which keep what is mounted busy.
func (o *journals) close() {
	for _, f := range o.files {
		f.close()
	}
	*o = journals{}
}

const (
	// journalThreshold is what sd_journal_get_data_threshold(3) begins with.
	journalThreshold = 64 << 10
	// maxJournalFiles bounds how many are open.
	maxJournalFiles = 1024
	// maxJournalField bounds what is taken into memory of a field.
	maxJournalField = 64 << 20
)

var (
	journalFile = lazyregexp.New(`\.journal~?$`)
	// The directory of a machine, by its machine-id(5).
	journalMachine = lazyregexp.New(`^[0-9a-f]{32}(\..*)?$`)
)

func (s *Server) openJournal(procedure string) (*journals, error) {
	if s.journal.j == nil {
		return nil, errorf("do_%s: you must call 'journal-open' first to initialize the journal handle", procedure)
	}
	return &s.journal, nil
}

// JournalOpen opens the journal files of a directory, and of the directories of machines
// in it.
func (s *Server) JournalOpen(ctx context.Context, a *rpc.JournalOpenArgs) error {
	s.journal.close()
	names, machines, err := s.journalNames(a.Directory)
	if err != nil {
		return perror(err, "sd_journal_open_directory: %s", a.Directory)
	}
	for _, dir := range machines {
		more, _, err := s.journalNames(dir)
		if err != nil {
			s.logf("%s: %v", dir, err)
		}
		names = append(names, more...)
	}
	var files []*journal.File
	o := journals{threshold: journalThreshold}
	for _, name := range names {
		if len(o.files) == maxJournalFiles {
			s.logf("%s: only the first %d files are read", a.Directory, maxJournalFiles)
			break
		}
		h, err := s.openRead(name)
		if err != nil {
			s.logf("%v", err)
			continue
		}
		size, err := h.Size()
		var f *journal.File
		if err == nil {
			f, err = journal.OpenFile(h, size)
		}
		if err != nil { // sd-journal(3) does without it, too
			s.logf("%s: %v", name, err)
			h.close()
			continue
		}
		files, o.files = append(files, f), append(o.files, h)
	}
	o.j = journal.New(files...)
	s.journal = o
	return nil
}

// journalNames returns the journal files of a directory, and the directories of machines.
func (s *Server) journalNames(dir string) (files, machines []string, err error) {
	for d, err := range s.view().ReadDirAt(cwd, dir, 0, unix.STATX_TYPE, 0) {
		if err != nil {
			return nil, nil, err
		}
		switch fileType(&d.Stat) {
		case unix.S_IFREG:
			if journalFile().MatchString(d.Name) {
				files = append(files, path.Join(dir, d.Name))
			}
		case unix.S_IFDIR:
			if journalMachine().MatchString(d.Name) {
				machines = append(machines, path.Join(dir, d.Name))
			}
		}
	}
	return files, machines, nil
}

// JournalClose closes the journal.
func (s *Server) JournalClose(ctx context.Context) error {
	o, err := s.openJournal("journal_close")
	if err != nil {
		return err
	}
	o.close()
	return nil
}

// JournalNext goes to the next entry, and reports whether there is one. If there is none
// it stays at the last.
func (s *Server) JournalNext(ctx context.Context) (bool, error) {
	o, err := s.openJournal("journal_next")
	if err != nil {
		return false, err
	}
	more, err := o.j.Next()
	if err != nil {
		return false, perror(err, "sd_journal_next")
	}
	o.inEntry = o.inEntry || more
	return more, nil
}

// JournalSkip goes some entries on, and returns how many there were. To go back is not
// available.
func (s *Server) JournalSkip(ctx context.Context, a *rpc.JournalSkipArgs) (int64, error) {
	o, err := s.openJournal("journal_skip")
	if err != nil || a.Skip == 0 {
		return 0, err
	}
	if a.Skip < 0 {
		return 0, perrorText(unix.ENOTSUP, "to skip backwards is not available in unboot")
	}
	n, err := o.j.Skip(a.Skip)
	if err != nil {
		return 0, perror(err, "sd_journal_next_skip")
	}
	o.inEntry = o.inEntry || n > 0
	return n, nil
}

// InternalJournalGet sends the fields of the entry, each with its length before it, of 64
// bits.
func (s *Server) InternalJournalGet(ctx context.Context, out io.Writer) error {
	o, err := s.openJournal("internal_journal_get")
	if err != nil {
		return err
	}
	if !o.inEntry {
		return perror(unix.EADDRNOTAVAIL, "sd_journal_enumerate_data")
	}
	// The threshold is a hint, which sd-journal(3) gives to decompression only.
	limit := max(o.threshold, journalThreshold)
	if o.threshold == 0 || limit > maxJournalField { // 0 is no limit
		limit = maxJournalField
	}
	for field, err := range o.j.Fields(int(limit)) {
		if err != nil {
			return perror(err, "sd_journal_enumerate_data")
		}
		if _, err := out.Write(append(binary.BigEndian.AppendUint64(nil, uint64(len(field))), field...)); err != nil {
			return err
		}
	}
	return nil
}

// JournalGetDataThreshold returns how many bytes of a field programs want.
func (s *Server) JournalGetDataThreshold(ctx context.Context) (int64, error) {
	o, err := s.openJournal("journal_get_data_threshold")
	if err != nil {
		return 0, err
	}
	return o.threshold, nil
}

// JournalSetDataThreshold sets how many bytes of a field programs want at least, 0 for all.
func (s *Server) JournalSetDataThreshold(ctx context.Context, a *rpc.JournalSetDataThresholdArgs) error {
	o, err := s.openJournal("journal_set_data_threshold")
	if err != nil {
		return err
	}
	if a.Threshold < 0 {
		return perrorText(unix.EINVAL, "the threshold is negative")
	}
	o.threshold = a.Threshold
	return nil
}

// JournalGetRealtimeUsec returns the time of the entry in microseconds since 1970.
func (s *Server) JournalGetRealtimeUsec(ctx context.Context) (int64, error) {
	o, err := s.openJournal("journal_get_realtime_usec")
	if err != nil {
		return 0, err
	}
	if !o.inEntry {
		return 0, perror(unix.EADDRNOTAVAIL, "sd_journal_get_realtime_usec")
	}
	return o.j.Time().UnixMicro(), nil
}
