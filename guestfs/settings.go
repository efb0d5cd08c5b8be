package guestfs

import (
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// settings are what a program can say of a handle before and after it is launched.
type settings struct {
	mu sync.Mutex // guards what follows

	verbose, trace, autosync  bool
	network, pgroup, recovery bool
	direct, selinux           bool
	backend, hv, path         string
	program, identifier       string
	cachedir, tmpdir          string // "" for the default
	envTmpdir, sockdir        string
	memsize, smp              int
	append                    *string
	backendSettings           []string
	parameters                [][2]string // of Config
	supportedCredentials      []string
}

// The defaults of the settings, as in guestfs(3) except for the backend.
const (
	defaultBackend = "unboot"
	defaultMemsize = 1280 // MB
	minMemsize     = 128
)

func defaults() settings {
	return settings{
		autosync: true, recovery: true, backend: defaultBackend, hv: hostHV(), path: hostPath(),
		memsize: defaultMemsize, smp: 1, program: filepath.Base(programName()),
	}
}

// get returns a setting of a handle, to which v points.
func get[T any](g *Guestfs, v *T) T {
	g.settings.mu.Lock()
	defer g.settings.mu.Unlock()
	return *v
}

// set changes a setting of a handle, to which v points.
func set[T any](g *Guestfs, v *T, to T) {
	g.settings.mu.Lock()
	defer g.settings.mu.Unlock()
	*v = to
}

// Settings that are nothing but kept.

func (g *Guestfs) setVerbose(v bool) error    { set(g, &g.settings.verbose, v); return nil }
func (g *Guestfs) getVerbose() (bool, error)  { return get(g, &g.settings.verbose), nil }
func (g *Guestfs) setTrace(v bool) error      { set(g, &g.settings.trace, v); return nil }
func (g *Guestfs) getTrace() (bool, error)    { return get(g, &g.settings.trace), nil }
func (g *Guestfs) setAutosync(v bool) error   { set(g, &g.settings.autosync, v); return nil }
func (g *Guestfs) getAutosync() (bool, error) { return get(g, &g.settings.autosync), nil }
func (g *Guestfs) setNetwork(v bool) error    { set(g, &g.settings.network, v); return nil }
func (g *Guestfs) getNetwork() (bool, error)  { return get(g, &g.settings.network), nil }
func (g *Guestfs) setPgroup(v bool) error     { set(g, &g.settings.pgroup, v); return nil }
func (g *Guestfs) getPgroup() (bool, error)   { return get(g, &g.settings.pgroup), nil }
func (g *Guestfs) setRecoveryProc(v bool) error {
	set(g, &g.settings.recovery, v)
	return nil
}
func (g *Guestfs) getRecoveryProc() (bool, error) {
	return get(g, &g.settings.recovery), nil
}
func (g *Guestfs) setDirect(v bool) error      { set(g, &g.settings.direct, v); return nil }
func (g *Guestfs) getDirect() (bool, error)    { return get(g, &g.settings.direct), nil }
func (g *Guestfs) setSelinux(v bool) error     { set(g, &g.settings.selinux, v); return nil }
func (g *Guestfs) getSelinux() (bool, error)   { return get(g, &g.settings.selinux), nil }
func (g *Guestfs) setProgram(v string) error   { set(g, &g.settings.program, v); return nil }
func (g *Guestfs) getProgram() (string, error) { return get(g, &g.settings.program), nil }
func (g *Guestfs) setAppend(v *string) error   { set(g, &g.settings.append, v); return nil }
func (g *Guestfs) getAppend() (*string, error) { return get(g, &g.settings.append), nil }
func (g *Guestfs) getHv() (string, error)      { return get(g, &g.settings.hv), nil }
func (g *Guestfs) getQemu() (string, error)    { return g.getHv() }
func (g *Guestfs) getPath() (string, error)    { return get(g, &g.settings.path), nil }
func (g *Guestfs) getBackend() (string, error) { return get(g, &g.settings.backend), nil }
func (g *Guestfs) getAttachMethod() (string, error) {
	b := get(g, &g.settings.backend)
	if b == "direct" {
		b = "appliance" // its name of old
	}
	return b, nil
}
func (g *Guestfs) setAttachMethod(v string) error { return g.setBackend(v) }
func (g *Guestfs) getMemsize() (int, error)       { return get(g, &g.settings.memsize), nil }
func (g *Guestfs) getSmp() (int, error)           { return get(g, &g.settings.smp), nil }
func (g *Guestfs) getIdentifier() (string, error) {
	return get(g, &g.settings.identifier), nil
}

// setHv sets the program that the direct backend runs.
func (g *Guestfs) setHv(v string) error {
	set(g, &g.settings.hv, v)
	return nil
}

func (g *Guestfs) setQemu(v *string) error {
	hv := hostHV()
	if v != nil {
		hv = *v
	}
	return g.setHv(hv)
}

func (g *Guestfs) setPath(v *string) error {
	path := hostPath()
	if v != nil {
		path = *v
	}
	set(g, &g.settings.path, path)
	return nil
}

// setBackend sets what a launch starts.
func (g *Guestfs) setBackend(v string) error {
	switch {
	case v == "appliance":
		v = "direct"
	case v == defaultBackend, v == "direct", strings.HasPrefix(v, "unix:/"):
	case v == "libvirt", strings.HasPrefix(v, "libvirt:"):
		return errorf(0, "backend %q is not one of unboot's: use \"unboot\", or \"direct\" for qemu", v)
	default:
		return errorf(0, "invalid backend: %s", v)
	}
	set(g, &g.settings.backend, v)
	return nil
}

func (g *Guestfs) setMemsize(v int) error {
	if v < minMemsize {
		return errorf(0, "memory size of %d MB is too small", v)
	}
	set(g, &g.settings.memsize, v)
	return nil
}

func (g *Guestfs) setSmp(v int) error {
	switch {
	case v > 255:
		return errorf(0, "unsupported number of smp vcpus: %d", v)
	case v < 1:
		return errorf(0, "invalid smp parameter: %d", v)
	}
	set(g, &g.settings.smp, v)
	return nil
}

func (g *Guestfs) setIdentifier(v string) error {
	if strings.Trim(v, letters+digits+"_-") != "" {
		return errorf(0, "identifier must contain only alphanumeric ASCII characters, underscores and minus signs")
	}
	set(g, &g.settings.identifier, v)
	return nil
}

// Settings of the backend are words, of which some have a value: "NAME" or "NAME=VALUE".

func (g *Guestfs) getBackendSettings() ([]string, error) {
	return append([]string{}, get(g, &g.settings.backendSettings)...), nil
}

func (g *Guestfs) setBackendSettings(l []string) error {
	set(g, &g.settings.backendSettings, slices.Clone(l))
	return nil
}

func (g *Guestfs) getBackendSetting(name string) (string, error) {
	for _, s := range get(g, &g.settings.backendSettings) {
		if key, value, ok := strings.Cut(s, "="); key == name {
			if !ok {
				value = "1"
			}
			return value, nil
		}
	}
	return "", errorf(syscall.ESRCH, "setting not found")
}

func (g *Guestfs) setBackendSetting(name, value string) error {
	g.settings.mu.Lock()
	defer g.settings.mu.Unlock()
	g.settings.clearBackendSetting(name)
	g.settings.backendSettings = append(g.settings.backendSettings, name+"="+value)
	return nil
}

func (g *Guestfs) clearBackendSetting(name string) (int, error) {
	g.settings.mu.Lock()
	defer g.settings.mu.Unlock()
	return g.settings.clearBackendSetting(name), nil
}

// clearBackendSetting returns how many there were. The caller holds mu.
func (s *settings) clearBackendSetting(name string) int {
	before := len(s.backendSettings)
	kept := slices.Clone(s.backendSettings)
	s.backendSettings = slices.DeleteFunc(kept, func(s string) bool {
		key, _, _ := strings.Cut(s, "=")
		return key == name
	})
	return before - len(s.backendSettings)
}

// config adds a parameter to the command line of the direct backend's program.
func (g *Guestfs) config(name string, value *string) error {
	if !strings.HasPrefix(name, "-") {
		return errorf(0, "parameter must begin with '-' character")
	}
	for _, ours := range []string{"-kernel", "-initrd", "-nographic", "-display", "-serial", "-full-screen", "-std-vga", "-vnc"} {
		if name == ours {
			return errorf(0, "parameter '%s' isn't allowed", name)
		}
	}
	p := [2]string{name}
	if value != nil {
		p[1] = *value
	}
	g.settings.mu.Lock()
	defer g.settings.mu.Unlock()
	g.settings.parameters = append(g.settings.parameters, p)
	return nil
}
