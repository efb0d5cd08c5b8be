package testguest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// journalRemote makes journals of what it is sent. Debian has it in
// systemd-journal-remote.
const journalRemote = "/lib/systemd/systemd-journal-remote"

// HasJournal reports whether [Journal] can make one.
func HasJournal() bool {
	_, err := os.Stat(journalRemote)
	return err == nil
}

// Journal makes a journal of n entries, where systemd would have it: of all priorities,
// some of them long, with two lines, or without a name or a number of the process.
func Journal(t testing.TB, n int) Files {
	t.Helper()
	if !HasJournal() {
		t.Skip("no systemd-journal-remote")
	}
	var b bytes.Buffer
	for i := range n {
		fields := map[string]string{
			"MESSAGE": fmt.Sprint("message number ", i), "PRIORITY": fmt.Sprint(i % 8), "SYSLOG_IDENTIFIER": "prog",
			"_PID": fmt.Sprint(100 + i), "_COMM": "prog", "_HOSTNAME": FedoraHostname,
		}
		switch i % 10 {
		case 3:
			fields["MESSAGE"] += strings.Repeat(" long", 500)
		case 4:
			fields["MESSAGE"] = "two\nlines"
		case 5:
			delete(fields, "SYSLOG_IDENTIFIER")
		case 6:
			delete(fields, "_PID")
		}
		fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n", 1_700_000_000_000_000+i*1_000_000, 1000+i, strings.Repeat("a", 32))
		for _, name := range []string{"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "_PID", "_COMM", "_HOSTNAME"} {
			if value, ok := fields[name]; ok {
				b.WriteString(name + "\n")
				binary.Write(&b, binary.LittleEndian, uint64(len(value)))
				b.WriteString(value + "\n")
			}
		}
		b.WriteByte('\n')
	}
	file := filepath.Join(t.TempDir(), "system.journal")
	cmd := exec.Command(journalRemote, "--output="+file, "--split-mode=none", "-")
	cmd.Stdin = &b
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return Files{"var/log/journal/0123456789abcdef0123456789abcdef/system.journal": string(text)}
}
