package customize

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A manager has the commands of a package manager, in which the packages take the place of
// the %s. None of them asks a question.
type manager struct{ install, uninstall, update string }

const apt = `export DEBIAN_FRONTEND=noninteractive
apt='apt-get -q -y -o Dpkg::Options::=--force-confnew'
`

// managers are those that virt-customize knows, by the names of package inspect.
var managers = map[string]manager{
	"apk":    {"apk update\napk add %s", "apk del %s", "apk update\napk upgrade"},
	"apt":    {apt + "$apt update\n$apt install %s", apt + "$apt remove %s", apt + "$apt update\n$apt upgrade"},
	"dnf":    {"dnf -y install %s", "dnf -y --disableplugin=subscription-manager remove %s", "dnf -y --best upgrade"},
	"pacman": {"pacman -Sy --noconfirm %s", "pacman -R --noconfirm %s", "pacman -Syu --noconfirm"},
	"pisi":   {"pisi -y it %s", "pisi -y rm %s", "pisi -y upgrade"},
	"urpmi":  {"urpmi --auto %s", "urpme --auto %s", "urpmi --auto --auto-select"},
	"xbps":   {"xbps-install -Sy %s", "xbps-remove -y %s", "xbps-install -Suy"},
	"yum":    {"yum -y install %s", "yum -y remove %s", "yum -y update"},
	"zypper": {"zypper -n in -l %s", "zypper -n rm %s", "zypper -n dup -l"},
}

// packageNames divides a list of packages.
func packageNames(list string) ([]string, error) {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		switch {
		case name == "":
			return nil, errors.New("a package without a name")
		case name[0] == '-' || strings.ContainsAny(name, "\n\x00"):
			return nil, fmt.Errorf("not the name of a package: %q", name)
		}
		names = append(names, name)
	}
	return names, nil
}

// packageCommand returns a script that has the guest's package manager do something.
func (g *Guest) packageCommand(option string, which func(m manager) string, packages []string) (string, error) {
	name := g.System.PackageManagement
	m, ok := managers[name]
	switch {
	case name == "":
		return "", fmt.Errorf("--%s: no package manager was found in this guest", option)
	case !ok:
		return "", fmt.Errorf("--%s: %s is not supported (use --run-command or --firstboot-command)", option, name)
	}
	command := which(m)
	if strings.Contains(command, "%s") {
		command = fmt.Sprintf(command, quoteAll(packages))
	}
	return "set -e\n" + command + "\n", nil
}

// quoteAll quotes words for a shell.
func quoteAll(words []string) string {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
	}
	return strings.Join(quoted, " ")
}

func (p *Plan) packages(option, list, say string, which func(m manager) string) error {
	names, err := packageNames(list)
	if err != nil {
		return err
	}
	return p.op(func(ctx context.Context, g *Guest) error {
		g.say("%s: %s", say, strings.Join(names, " "))
		script, err := g.packageCommand(option, which, names)
		if err != nil {
			return err
		}
		return g.script(ctx, "--"+option, script, true, nil)
	})
}

func (p *Plan) install(list string) error {
	return p.packages("install", list, "installing packages", func(m manager) string { return m.install })
}

func (p *Plan) uninstall(list string) error {
	return p.packages("uninstall", list, "uninstalling packages", func(m manager) string { return m.uninstall })
}

func (p *Plan) update() error {
	return p.op(func(ctx context.Context, g *Guest) error {
		g.say("updating packages")
		script, err := g.packageCommand("update", func(m manager) string { return m.update }, nil)
		if err != nil {
			return err
		}
		return g.script(ctx, "--update", script, true, nil)
	})
}
