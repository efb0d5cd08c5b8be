package customize

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect"
)

func (p *Plan) firstbootFile(hostPath string) error {
	script, err := readHost(hostPath)
	if err != nil {
		return err
	}
	return p.op(func(_ context.Context, g *Guest) error {
		g.say("installing %s to run at the first boot", hostPath)
		return g.Firstboot(filepath.Base(hostPath), string(script))
	})
}

func (p *Plan) firstbootCommand(command string) error {
	if strings.TrimSpace(command) == "" {
		return errors.New("no command")
	}
	return p.op(func(_ context.Context, g *Guest) error {
		g.say("installing a command to run at the first boot: %s", printable(command))
		return g.Firstboot(command, command+"\n")
	})
}

func (p *Plan) firstbootInstall(list string) error {
	names, err := packageNames(list)
	if err != nil {
		return err
	}
	return p.op(func(_ context.Context, g *Guest) error {
		g.say("installing packages at the first boot: %s", strings.Join(names, " "))
		script, err := g.packageCommand("firstboot-install", func(m manager) string { return m.install }, names)
		if err != nil {
			return err
		}
		return g.Firstboot("install "+strings.Join(names, " "), script)
	})
}

// firstbootDir has the scripts that a Linux runs when it boots next. virt-customize has
// them in the same place.
const firstbootDir = "/usr/lib/virt-sysprep"

// firstbootSh runs the scripts, as the program of a unit of systemd and as an init script.
const firstbootSh = `#!/bin/sh
### BEGIN INIT INFO
# Provides:          guestfs-firstboot
# Required-Start:    $all
# Required-Stop:
# Default-Start:     2 3 5
# Default-Stop:
# Short-Description: Runs scripts once, at the next boot
### END INIT INFO

test "$1" = start || exit 0

dir=` + firstbootDir + `
log=/root/virt-sysprep-firstboot.log

umask 077
mkdir -p "$dir/scripts-done" || exit 1
for script in "$dir"/scripts/*; do
	test -x "$script" || continue
	name=${script##*/}
	# Moved away before it runs: one that reboots the system is not run again.
	mv "$script" "$dir/scripts-done/$name" || continue
	{
		echo "=== $name"
		"$dir/scripts-done/$name"
		echo "=== $name: exit status $?"
	} 2>&1 | tee -a "$log"
	rm -f "$dir/scripts-done/$name"
done
`

const firstbootUnit = `[Unit]
Description=Scripts to run once, at the next boot
After=network.target
ConditionDirectoryNotEmpty=` + firstbootDir + `/scripts

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=` + firstbootDir + `/firstboot.sh start
StandardOutput=journal+console
StandardError=inherit
TimeoutStartSec=0

[Install]
WantedBy=multi-user.target
`

const firstbootOpenRC = `#!/sbin/openrc-run

description="Scripts to run once, at the next boot"

depend() {
	need localmount
	after *
}

start() {
	` + firstbootDir + `/firstboot.sh start
}
`

var notInName = regexp.MustCompile(`[^A-Za-z0-9_]`)

// scriptName returns the name of a script's file. Scripts run in the order of their
// names, in which virt-customize has a priority before the number.
func scriptName(n int, name string) string {
	name = notInName.ReplaceAllString(name, "-")
	return fmt.Sprintf("5000-%04d-%s", n, name[:min(len(name), 60)])
}

// Firstboot has the guest run a script, as root, when it boots next, after those that were
// given before. name is a part of its file's name.
func (g *Guest) Firstboot(name, script string) error {
	switch g.System.Type {
	case inspect.Linux:
		return g.firstbootLinux(name, script)
	case inspect.Windows:
		return g.firstbootWindows(name, script)
	}
	return fmt.Errorf("nothing can be run at the first boot of this guest (%s)", g.System.Type)
}

func (g *Guest) firstbootLinux(name, script string) error {
	if err := g.mkdir(firstbootDir + "/scripts"); err != nil {
		return err
	}
	if err := g.executable(firstbootDir+"/firstboot.sh", firstbootSh); err != nil {
		return err
	}
	services := []func() (bool, error){g.firstbootSystemd, g.firstbootSysv, g.firstbootRC}
	found := false
	for _, install := range services {
		done, err := install()
		if err != nil {
			return err
		}
		found = found || done
	}
	if !found {
		return errors.New("nothing can be run at the first boot of this guest: it has none of systemd, System V init and OpenRC")
	}
	file := path.Join(firstbootDir, "scripts", scriptName(g.nextScript(firstbootDir), name))
	return g.executable(file, program(script))
}

// nextScript returns a number greater than those of the scripts in a directory.
func (g *Guest) nextScript(dir string) int {
	last := 0
	for _, sub := range []string{"scripts", "scripts-done"} {
		list, _ := g.FS.ReadDir(unboot.CleanPath(path.Join(dir, sub)))
		for _, e := range list {
			digits, _, _ := strings.Cut(strings.TrimPrefix(e.Name(), "5000-"), "-")
			if n, err := strconv.Atoi(digits); err == nil && n > last && n < 9999 {
				last = n
			}
		}
	}
	return last + 1
}

// executable writes a program.
func (g *Guest) executable(name, content string) error {
	m := &unboot.Metadata{Mode: 0o755, UID: -1, GID: -1, Size: int64(len(content))}
	return g.replace(name, strings.NewReader(content), m, func(have *unboot.Metadata) { have.Mode = m.Mode })
}

func (g *Guest) firstbootSystemd() (bool, error) {
	if !g.isDir("/etc/systemd/system") {
		return false, nil
	}
	const unit, wants = "/usr/lib/systemd/system/guestfs-firstboot.service", "/etc/systemd/system/multi-user.target.wants"
	for _, dir := range []string{path.Dir(unit), wants} {
		if err := g.mkdir(dir); err != nil {
			return false, err
		}
	}
	if err := g.write(unit, []byte(firstbootUnit), 0o644); err != nil {
		return false, err
	}
	return true, g.symlink(unit, path.Join(wants, path.Base(unit)))
}

// firstbootSysv makes the links of System V init as the distribution has them. Many guests
// have both this and systemd, and which one boots can be changed at run time; scripts are
// run once all the same.
func (g *Guest) firstbootSysv() (bool, error) {
	const script, name = firstbootDir + "/firstboot.sh", "guestfs-firstboot"
	var levels, target string
	switch {
	case !g.isDir("/etc/rc.d") && !g.isDir("/etc/init.d"):
		return false, nil
	case g.is(redHat...):
		levels, target = "/etc/rc.d/rc%d.d", script
	case g.is(suse...):
		levels, target = "/etc/init.d/rc%d.d", "../"+name
	case g.is(debian...):
		levels, target = "/etc/rc%d.d", "../init.d/"+name
	default:
		return false, nil
	}
	if target != script {
		if err := g.symlink(script, "/etc/init.d/"+name); err != nil {
			return false, err
		}
	}
	for _, level := range []int{2, 3, 5} {
		dir := fmt.Sprintf(levels, level)
		if err := g.mkdir(dir); err != nil {
			return false, err
		}
		if err := g.symlink(target, dir+"/S99"+name); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (g *Guest) firstbootRC() (bool, error) {
	if !g.isDir("/etc/runlevels/default") || !g.isDir("/etc/init.d") {
		return false, nil
	}
	const script = "/etc/init.d/guestfs-firstboot"
	if err := g.executable(script, firstbootOpenRC); err != nil {
		return false, err
	}
	return true, g.symlink(script, "/etc/runlevels/default/"+path.Base(script))
}
