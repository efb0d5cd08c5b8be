package guestfs

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// fake is a daemon of which a test has the handler.
type fake func(ctx context.Context, c *protocol.Call) error

func (f fake) Transfer(proc uint32) protocol.Transfer              { return rpc.Lookup(proc).Transfer }
func (f fake) Handle(ctx context.Context, c *protocol.Call) error  { return f(ctx, c) }
func (f fake) end(bool) error                                      { return nil }
func (f fake) pid() int                                            { return 0 }
func (f fake) Close() error                                        { return nil }
func (f fake) Call(ctx context.Context, r *protocol.Request) error { panic("not called") }

type fakeSession struct {
	*protocol.Local
	fake
}

func (s fakeSession) Call(ctx context.Context, r *protocol.Request) error {
	return s.Local.Call(ctx, r)
}
func (s fakeSession) Close() error { return s.Local.Close() }

// serve gives a handle a daemon of a test.
func serve(g *Guestfs, f fake) {
	l := protocol.NewLocal(&protocol.Server{Handler: f})
	l.Progress = g.progress()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.session, g.state = fakeSession{l, f}, ready
}

func TestEvents(t *testing.T) {
	g := create(t)
	type event struct {
		event uint64
		buf   string
	}
	var got []event
	record := func(h *Guestfs, e uint64, handle int, buf string, array []uint64) {
		if h != g || array != nil {
			t.Error("not the handle")
		}
		got = append(got, event{e, buf})
	}
	first := must[int](t)(g.Set_event_callback(record, EVENT_LAUNCH_DONE|EVENT_CLOSE|EVENT_SUBPROCESS_QUIT|EVENT_TRACE))
	second := must[int](t)(g.Set_event_callback(record, EVENT_ENTER))
	if first == second {
		t.Error("one number for two")
	}
	check(t, g.Add_drive_scratch(1<<20, nil))
	check(t, g.Delete_event_callback(second))
	check(t, g.Delete_event_callback(99))
	check(t, g.Launch())
	check(t, g.Set_trace(true))
	if _, err := g.Is_file("/x", &OptargsIs_file{Followsymlinks_is_set: true}); err == nil {
		t.Error("nothing is mounted")
	}
	check(t, g.Set_trace(false))
	check(t, g.Shutdown())
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	want := []event{
		{EVENT_ENTER, "add_drive_scratch"}, {EVENT_LAUNCH_DONE, ""},
		{EVENT_TRACE, `is_file "/x" "followsymlinks:0"`},
		{EVENT_TRACE, "is_file = -1 (error: is_file: is_file_stub: you must call 'mount' first to mount the root filesystem)"},
		{EVENT_TRACE, "set_trace 0"}, {EVENT_TRACE, "set_trace = 0"},
		{EVENT_SUBPROCESS_QUIT, ""}, {EVENT_CLOSE, ""},
	}
	got = slices.DeleteFunc(got, func(e event) bool { return e.buf == "set_trace = 0" && e != want[5] })
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if s, err := Event_to_string(EVENT_CLOSE | EVENT_WARNING); s != "close,warning" || err != nil {
		t.Error(s, err)
	}
	if _, err := Event_to_string(1 << 20); err == nil {
		t.Error("no such event")
	}
	if EVENT_ALL != 0x3ff || EVENT_WARNING != 0x200 {
		t.Error("numbers of events")
	}
}

func TestTrace(t *testing.T) {
	g := create(t)
	var lines []string
	must[int](t)(g.Set_event_callback(func(_ *Guestfs, _ uint64, _ int, buf string, _ []uint64) { lines = append(lines, buf) }, EVENT_TRACE))
	serve(g, func(ctx context.Context, c *protocol.Call) error { return syscall.EIO })
	check(t, g.Set_trace(true))
	g.Luks_open("/dev/sda", "very secret", "x")
	g.Add_drive("/none", &OptargsAdd_drive{Secret_is_set: true, Secret: "very secret", Server_is_set: true, Server: []string{"a", "b"}})
	g.Write("/x", append([]byte("\x00a\n"), make([]byte, 1000)...))
	g.Command([]string{"ls", "-l"})
	g.Set_append(nil)
	g.Get_memsize()
	g.Version()
	g.Inspect_get_mountpoints("/dev/sda")
	all := strings.Join(lines, "\n")
	for _, want := range []string{
		`luks_open "/dev/sda" "***" "x"`, "luks_open = -1 (error: luks_open: ", `"secret:***"`, `"server:["a", "b"]"`,
		`write "/x" "\x00a\n`, "truncated, original size 1003 bytes", `command ["ls", "-l"]`, "set_append NULL",
		"get_memsize = 1280", "version = <struct guestfs_version>",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in\n%s", want, all)
		}
	}
	if strings.Contains(all, "very secret") {
		t.Error("a secret is in the trace")
	}
	check(t, g.Set_trace(false))
}

// The clock is the test's: it stands unless all sleep. So how often there is progress
// does not depend on how busy the machine is.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := create(t)
		var got [][]uint64
		must[int](t)(g.Set_event_callback(func(_ *Guestfs, _ uint64, _ int, _ string, array []uint64) { got = append(got, array) }, EVENT_PROGRESS))
		serve(g, func(ctx context.Context, c *protocol.Call) error {
			for range 110 {
				c.Progress(3, 10)
				time.Sleep(20 * time.Millisecond)
			}
			return nil
		})
		check(t, g.Zero_device("/dev/sda"))
		if len(got) != 2 || got[0][0] != rpc.ProcZeroDevice || got[0][2] != 3 || got[1][2] != 10 || got[1][3] != 10 {
			t.Errorf("%v", got)
		}
	})
}

func TestUserCancel(t *testing.T) {
	g := create(t)
	started := make(chan bool, 1)
	serve(g, func(ctx context.Context, c *protocol.Call) error {
		if c.Proc == rpc.ProcUpload {
			_, err := io.Copy(io.Discard, c.In())
			return err
		}
		for ctx.Err() == nil {
			if _, err := c.Out().Write(make([]byte, 1000)); err != nil {
				return err
			}
			select {
			case started <- true:
			default:
			}
		}
		return ctx.Err()
	})
	done := make(chan error, 1)
	go func() { done <- g.Download("/endless", os.DevNull) }()
	<-started
	check(t, g.User_cancel())
	fails(t, <-done, "download", "operation cancelled by user", syscall.EINTR)
	must[int](t)(g.Set_event_callback(func(g *Guestfs, _ uint64, _ int, _ string, _ []uint64) {
		go func() { time.Sleep(20 * time.Millisecond); g.User_cancel() }()
	}, EVENT_ENTER))
	fails(t, g.Upload("/dev/zero", "/x"), "upload", "operation cancelled by user", syscall.EINTR)
	check(t, g.User_cancel()) // nothing to cancel
}

// TestHostileArchive has a guest send names that lead out of the directory.
func TestHostileArchive(t *testing.T) {
	g := create(t)
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	check(t, os.Mkdir(out, 0o755))
	check(t, os.WriteFile(filepath.Join(dir, "victim"), []byte("untouched"), 0o600))
	var archive []byte
	serve(g, func(ctx context.Context, c *protocol.Call) error {
		switch c.Proc {
		case rpc.ProcIsFile:
			return answerBool(c, false)
		case rpc.ProcTarOut:
			_, err := c.Out().Write(archive)
			return err
		}
		return errors.ErrUnsupported
	})
	for name, members := range map[string][]member{
		"dots":          {{"../victim", '0', "", "evil"}, {"../../victim", '0', "", "evil"}},
		"absolute":      {{filepath.Join(dir, "victim"), '0', "", "evil"}},
		"link":          {{"l", '2', "..", ""}, {"l/victim", '0', "", "evil"}, {"l/../../victim", '0', "", "evil"}},
		"absolute link": {{"m", '2', dir, ""}, {"m/victim", '0', "", "evil"}},
		"through name":  {{"n", '2', filepath.Join(dir, "victim"), ""}, {"n", '0', "", "evil"}},
		"hard link":     {{"h", '1', "../victim", ""}, {"h", '0', "", "evil"}},
		"hard through":  {{"o", '2', "..", ""}, {"p", '1', "o/victim", ""}, {"p", '0', "", "evil"}},
		"directory":     {{"q", '2', "..", ""}, {"q/", '5', "", ""}, {"q/victim", '0', "", "evil"}},
		"root":          {{"../", '5', "", ""}, {".", '2', "..", ""}},
	} {
		archive = makeArchive(t, members)
		err := g.Copy_out("/tree", out)
		if b, e := os.ReadFile(filepath.Join(dir, "victim")); string(b) != "untouched" {
			t.Errorf("%s: %q, %v (%v)", name, b, e, err)
		}
		l, e := os.ReadDir(dir)
		if e != nil || len(l) != 2 {
			t.Errorf("%s: %v, %v", name, l, e)
		}
		check(t, os.RemoveAll(filepath.Join(out, "tree")))
	}
	archive = []byte(strings.Repeat("no archive", 1000))
	if err := g.Copy_out("/tree", out); err == nil {
		t.Error("no archive")
	}
}
