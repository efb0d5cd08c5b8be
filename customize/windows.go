package customize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/inspect/hive"
)

// The directory of a Windows that has the scripts to run when it boots next, as the guest
// calls it.
const windowsDir = `C:\Program Files\Guestfs\Firstboot`

// serviceWrappers are programs that run a command as a service of Windows, which are files
// of libguestfs's data directory on the host.
var serviceWrappers = []string{"rhsrvany.exe", "pvvxsvc.exe"}

// dataDir is the host path of libguestfs's files for Windows.
func dataDir() string {
	if dir := os.Getenv("VIRT_TOOLS_DATA_DIR"); dir != "" {
		return dir
	}
	return "/usr/share/virt-tools"
}

// foldPath returns a path with each element as the tree spells it, where it has one that
// differs in case only: as Windows finds it.
func (g *Guest) foldPath(name string) string {
	real := "."
	for elem := range strings.SplitSeq(unboot.CleanPath(name), "/") {
		if !g.exists(path.Join(real, elem)) {
			list, _ := g.FS.ReadDir(real)
			for _, e := range list {
				if strings.EqualFold(e.Name(), elem) {
					elem = e.Name()
					break
				}
			}
		}
		real = path.Join(real, elem)
	}
	return "/" + real
}

// windowsFirstbootDir makes the directory for scripts and returns its path.
func (g *Guest) windowsFirstbootDir() (string, error) {
	dir := g.foldPath(strings.ReplaceAll(strings.TrimPrefix(windowsDir, "C:"), `\`, "/"))
	return dir, g.mkdir(dir + "/scripts")
}

func (g *Guest) firstbootWindows(name, script string) error {
	if g.System.Windows == nil || g.System.Windows.SystemHive == "" || g.System.Windows.ControlSet == "" {
		return errors.New("nothing can be run at the first boot of this guest: its registry cannot be read")
	}
	wrapper := ""
	for _, w := range serviceWrappers {
		if st, err := os.Stat(filepath.Join(dataDir(), w)); err == nil && st.Mode().IsRegular() {
			wrapper = w
			break
		}
	}
	if wrapper == "" {
		return fmt.Errorf("%s has none of %s, of which Windows needs one to run something at its first boot ($VIRT_TOOLS_DATA_DIR)",
			dataDir(), strings.Join(serviceWrappers, ", "))
	}
	dir, err := g.windowsFirstbootDir()
	if err != nil {
		return err
	}
	if err := g.remove(dir + "/complete"); err != nil {
		return err
	}
	data, err := readHost(filepath.Join(dataDir(), wrapper))
	if err != nil {
		return err
	}
	if err := g.write(dir+"/"+wrapper, data, 0o755); err != nil {
		return err
	}
	if err := g.write(dir+"/firstboot.bat", dos(fmt.Sprintf(firstbootBat, windowsDir, wrapper)), 0o755); err != nil {
		return err
	}
	if err := g.addService(wrapper); err != nil {
		return err
	}
	return g.write(path.Join(dir, "scripts", scriptName(g.nextScript(dir), name)+".bat"), dos(script), 0o755)
}

// firstbootBat runs the scripts, each once, and then removes the service that runs it.
const firstbootBat = `@echo off
setlocal EnableDelayedExpansion
set "dir=%s"
if not exist "%%dir%%\scripts-done" mkdir "%%dir%%\scripts-done"
call :main >> "%%dir%%\log.txt" 2>&1
exit /b

:main
for %%%%s in ("%%dir%%\scripts\*.bat") do (
  echo === %%%%~nxs
  move "%%%%s" "%%dir%%\scripts-done" > nul
  pushd "%%dir%%\scripts-done"
  call "%%%%~nxs"
  echo === %%%%~nxs: exit code !errorlevel!
  popd
)
type nul > "%%dir%%\complete"
"%%dir%%\%s" -s firstboot uninstall
`

// dos returns a text with the line endings of DOS.
func dos(text string) []byte {
	return []byte(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n"))
}

// addService adds the service to the registry.
func (g *Guest) addService(wrapper string) error {
	w := g.System.Windows
	text := func(name, s string) hive.Value {
		return hive.Value{Name: name, Type: hive.String, Data: hive.StringData(s)}
	}
	number := func(name string, n uint32) hive.Value {
		return hive.Value{Name: name, Type: hive.DWord, Data: hive.DWordData(n)}
	}
	return g.editHive(w.SystemHive, func(h *hive.Hive) error {
		service := []string{w.ControlSet, "Services", "firstboot"}
		if err := setKey(h, service, []hive.Value{
			number("Type", 0x10), // a process of its own
			number("Start", 2),   // when the system starts
			number("ErrorControl", 1),
			text("ImagePath", `"`+windowsDir+`\`+wrapper+`" -s firstboot`),
			text("DisplayName", "Scripts to run once, at the next boot"),
			text("ObjectName", "LocalSystem"),
		}); err != nil {
			return err
		}
		return setKey(h, append(service, "Parameters"), []hive.Value{
			text("CommandLine", `cmd /c "`+windowsDir+`\firstboot.bat"`),
			text("PWD", windowsDir),
		})
	})
}

// setKey makes a key and those above it, and replaces its values.
func setKey(h *hive.Hive, keys []string, values []hive.Value) error {
	id, err := h.Root()
	for _, name := range keys {
		if err != nil {
			return err
		}
		parent := id
		if id, err = h.Child(parent, name); err != nil {
			id, err = h.AddChild(parent, name)
		}
	}
	if err != nil {
		return err
	}
	return h.SetValues(id, values)
}

// editHive changes a file of the registry.
func (g *Guest) editHive(name string, edit func(h *hive.Hive) error) error {
	data, err := g.readMax(name, hive.MaxSize)
	if err != nil {
		return err
	}
	h, err := hive.Parse(data, hive.Write)
	if err != nil {
		return about(name, err)
	}
	if why := h.Dirty(); why != "" {
		return about(name, fmt.Errorf("the registry was not closed by Windows: %s (shut it down cleanly, without fast startup)", why))
	}
	if err := edit(h); err != nil {
		return about(name, err)
	}
	var out bytes.Buffer
	if err := h.Commit(&out); err != nil {
		return about(name, err)
	}
	return g.write(name, out.Bytes(), 0o644)
}

func (p *Plan) injectQemuGA(hostPath string) error {
	st, err := os.Stat(hostPath)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return errors.New("not a directory (unpack the ISO image of virtio-win: unboot cp -r IMAGE:/ DIRECTORY)")
	}
	return p.op(func(_ context.Context, g *Guest) error {
		if g.System.Type != inspect.Windows {
			g.warn("--inject-qemu-ga is for Windows only")
			return nil
		}
		return g.injectQemuGA(hostPath)
	})
}

// injectQemuGA copies the agent's installer, and has it run at the first boot.
func (g *Guest) injectQemuGA(hostPath string) error {
	name := map[string]string{"x86_64": "qemu-ga-x86_64.msi", "i386": "qemu-ga-i386.msi"}[g.System.Arch]
	if name == "" {
		return fmt.Errorf("there is no QEMU guest agent for %s", g.System.Arch)
	}
	g.say("installing the QEMU guest agent at the first boot")
	data, err := readHost(filepath.Join(hostPath, "guest-agent", name))
	if errors.Is(err, os.ErrNotExist) {
		data, err = readHost(filepath.Join(hostPath, name))
	}
	if err != nil {
		return err
	}
	dir, err := g.windowsFirstbootDir()
	if err != nil {
		return err
	}
	if err := g.mkdir(dir + "/Temp"); err != nil {
		return err
	}
	if err := g.write(dir+"/Temp/"+name, data, 0o644); err != nil {
		return err
	}
	return g.Firstboot("install "+name, `start /wait msiexec /i "`+windowsDir+`\Temp\`+name+`" /qn /norestart`+"\n")
}

func (p *Plan) injectVirtioWin(hostPath string) error {
	return p.op(func(_ context.Context, g *Guest) error {
		if g.System.Type == inspect.Windows {
			return errors.New("--inject-virtio-win: drivers are not installed by this program (virt-customize and virt-v2v can)")
		}
		g.warn("--inject-virtio-win is for Windows only")
		return nil
	})
}
