package unboot

import (
	"slices"
	"strings"
)

// defaultPath is the PATH of commands whose environment is not given.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Environ returns the environment that the command would have if it were started now, as
// exec.Cmd's method: for more variables, append them and set Env.
func (c *Cmd) Environ() []string {
	unlock, err := c.hold()
	if err != nil {
		return lastOfEach(c.Env)
	}
	defer unlock()
	u, err := c.who()
	if err != nil {
		u = &cmdUser{} // Start says what is wrong
	}
	return c.environment(u)
}

// environment returns the command's environment.
func (c *Cmd) environment(u *cmdUser) []string {
	if c.Env != nil {
		return lastOfEach(c.Env)
	}
	env := []string{"PATH=" + defaultPath}
	home := u.home
	if home == "" {
		home = "/"
	}
	env = append(env, "HOME="+home)
	if u.name != "" {
		env = append(env, "USER="+u.name, "LOGNAME="+u.name)
	}
	if u.shell != "" {
		env = append(env, "SHELL="+u.shell)
	}
	if c.f == nil {
		env = append(env, toolEnv...)
	}
	return env
}

// lastOfEach leaves out variables that are set again later.
func lastOfEach(env []string) []string {
	out := make([]string, 0, len(env))
	seen := map[string]bool{}
	for _, v := range slices.Backward(env) {
		name, _, ok := strings.Cut(v, "=")
		if ok && seen[name] {
			continue
		}
		seen[name] = ok || seen[name]
		out = append(out, v)
	}
	slices.Reverse(out)
	return out
}

// lookEnv returns the value of a variable, or "".
func lookEnv(env []string, name string) string {
	for _, v := range env {
		if n, value, ok := strings.Cut(v, "="); ok && n == name {
			return value
		}
	}
	return ""
}
