package customize

import (
	"context"
	"strings"
)

// relabel sets the SELinux labels that the guest's policy has for all files, or has the
// guest do it when it boots next.
func (g *Guest) relabel(ctx context.Context) error {
	if !g.isFile("/usr/sbin/load_policy") || !g.isFile("/etc/selinux/config") {
		return nil // without SELinux
	}
	g.say("relabelling for SELinux")
	script, err := g.relabelScript()
	if err != nil {
		return err
	}
	if script != "" && g.Runner != nil {
		if err = g.script(ctx, "setfiles", script, false, nil); err == nil {
			return g.remove("/.autorelabel")
		}
		g.warn("%v; the guest relabels itself when it boots next", err)
	}
	return g.Touch("/.autorelabel")
}

// relabelScript returns a script that labels every mounted file system, or "" if the policy
// has no labels.
func (g *Guest) relabelScript() (string, error) {
	config, err := g.read("/etc/selinux/config")
	if err != nil {
		return "", err
	}
	policy := "targeted" // as libselinux has it
	for line := range strings.Lines(string(config)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch strings.TrimSpace(key) {
		case "SELINUXTYPE":
			policy = strings.TrimSpace(value)
		case "SELINUX":
			if strings.TrimSpace(value) == "disabled" {
				return "", nil
			}
		}
	}
	spec := "/etc/selinux/" + policy + "/contexts/files/file_contexts"
	if strings.ContainsAny(policy, "/\x00") || !g.isFile(spec) {
		return "", nil
	}
	var dirs []string
	for _, m := range g.FS.Mounts() {
		dirs = append(dirs, "/"+strings.TrimPrefix(m.Dir, "."))
	}
	return "set -e\nPATH=/usr/sbin:/sbin:/usr/bin:/bin\nsetfiles -q " + quoteAll(append([]string{spec}, dirs...)) + "\n", nil
}
