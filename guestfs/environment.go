package guestfs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/unboot/unboot/guestfs/internal/appliance"
)

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

func hostHV() string { return "/usr/bin/qemu-system-" + appliance.CPU() }

// hostPath is where distributions keep what an appliance is made of.
func hostPath() string {
	return strings.Join([]string{
		"/usr/lib/" + appliance.CPU() + "-linux-gnu/guestfs", "/usr/lib64/guestfs", "/usr/lib/guestfs",
	}, ":")
}

func programName() string {
	if len(os.Args) == 0 {
		return ""
	}
	return os.Args[0]
}

// parseEnvironment reads the variables of guestfs(3), ENVIRONMENT VARIABLES. That of the
// backend is another: see the package's documentation.
func (g *Guestfs) parseEnvironment() error { return g.parse(os.LookupEnv) }

func (g *Guestfs) parseEnvironmentList(environment []string) error {
	m := map[string]string{}
	for _, e := range environment {
		if name, value, ok := strings.Cut(e, "="); ok {
			m[name] = value
		}
	}
	return g.parse(func(name string) (string, bool) {
		value, ok := m[name]
		return value, ok
	})
}

func (g *Guestfs) parse(lookup func(string) (string, bool)) error {
	for _, v := range []struct {
		name string
		set  func(string) error
	}{
		{"LIBGUESTFS_TRACE", boolean(g.setTrace)},
		{"LIBGUESTFS_DEBUG", boolean(g.setVerbose)},
		{"TMPDIR", func(s string) error { set(g, &g.settings.envTmpdir, s); return nil }},
		{"XDG_RUNTIME_DIR", func(s string) error { set(g, &g.settings.sockdir, s); return nil }},
		{"LIBGUESTFS_TMPDIR", func(s string) error { return g.setTmpdir(&s) }},
		{"LIBGUESTFS_CACHEDIR", func(s string) error { return g.setCachedir(&s) }},
		{"LIBGUESTFS_PATH", func(s string) error { return g.setPath(&s) }},
		{"LIBGUESTFS_QEMU", g.setHv},
		{"LIBGUESTFS_HV", g.setHv},
		{"LIBGUESTFS_APPEND", func(s string) error { return g.setAppend(&s) }},
		{"LIBGUESTFS_MEMSIZE", func(s string) error {
			n, err := strconv.Atoi(s)
			if err != nil {
				return errorf(0, "non-numeric or too small value for LIBGUESTFS_MEMSIZE")
			}
			return g.setMemsize(n)
		}},
		{"LIBGUESTFS_BACKEND_SETTINGS", func(s string) error { return g.setBackendSettings(strings.Split(s, ":")) }},
		{"UNBOOT_GUESTFS_BACKEND", g.setBackend},
	} {
		if value, ok := lookup(v.name); ok && value != "" {
			if err := v.set(value); err != nil {
				return err
			}
		}
	}
	return nil
}

// boolean reads what guestfs(3) takes for true and false.
func boolean(set func(bool) error) func(string) error {
	return func(s string) error {
		switch strings.ToLower(s) {
		case "1", "true", "t", "yes", "y", "on":
			return set(true)
		case "0", "false", "f", "no", "n", "off":
			return set(false)
		}
		return errorf(0, "%s: not a value that is true or false", s)
	}
}

func (g *Guestfs) setTmpdir(v *string) error   { return g.setDir(&g.settings.tmpdir, v) }
func (g *Guestfs) setCachedir(v *string) error { return g.setDir(&g.settings.cachedir, v) }

func (g *Guestfs) setDir(dir *string, v *string) error {
	s := ""
	if v != nil && *v != "" {
		abs, err := filepath.Abs(*v)
		if err != nil {
			return perror(err, "%s", *v)
		}
		st, err := os.Stat(abs)
		if err != nil {
			return perror(err, "setting temporary directory: %s", *v)
		}
		if !st.IsDir() {
			return perror(syscall.ENOTDIR, "setting temporary directory: %s", *v)
		}
		s = abs
	}
	set(g, dir, s)
	return nil
}

func (g *Guestfs) getTmpdir() (string, error)   { return g.dir(&g.settings.tmpdir, "/tmp"), nil }
func (g *Guestfs) getCachedir() (string, error) { return g.dir(&g.settings.cachedir, "/var/tmp"), nil }

// getSockdir returns where sockets are made; their names have to be short.
func (g *Guestfs) getSockdir() (string, error) {
	if dir := get(g, &g.settings.sockdir); dir != "" && os.Geteuid() != 0 {
		return dir, nil
	}
	return "/tmp", nil
}

func (g *Guestfs) dir(v *string, def string) string {
	if dir := get(g, v); dir != "" {
		return dir
	}
	if dir := get(g, &g.settings.envTmpdir); dir != "" {
		return dir
	}
	return def
}

// tempFile returns a new name in a directory of the handle's own.
func (g *Guestfs) tempFile(name string) (string, error) {
	dir, _ := g.getTmpdir()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.temp == "" {
		temp, err := os.MkdirTemp(dir, "libguestfs")
		if err != nil {
			return "", pathError(err)
		}
		g.temp = temp
	}
	return filepath.Join(g.temp, name), nil
}

func removeTemp(dir string) error {
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}
