package customize

import (
	"errors"
	"fmt"
	"strings"
)

// An Option is one of virt-customize(1), by its name there.
type Option struct {
	Name string // without dashes
	Arg  string // what its value is called, or "" if it takes none
	Help string // in lower case, without a full stop
	// HostPath says that the value is a path of the host.
	HostPath bool
	// Secret says that no message may have the value.
	Secret bool
	// Values are those that it can have, if they can be counted.
	Values []string

	add func(p *Plan, value string) error
}

// Options returns all options, sorted by name as in the manual of virt-customize(1).
func Options() []Option { return options }

// options is a variable that init fills, as adding an option refers to the table.
var options []Option

func init() {
	options = []Option{
		{Name: "append-line", Arg: "FILE:LINE", Help: "append a line to a file, with the file's own line ending", add: pair((*Plan).appendLine)},
		{Name: "chmod", Arg: "PERMISSIONS:FILE", Help: "change permissions, in octal if they begin with 0", add: pair((*Plan).chmod)},
		{Name: "chown", Arg: "UID:GID:PATH", Help: "change the owner and the group, which are numbers", add: (*Plan).chown},
		{Name: "commands-from-file", Arg: "FILENAME", HostPath: true, Help: "read options from a file: one a line, without dashes", add: (*Plan).commandsFrom},
		{Name: "copy", Arg: "SOURCE:DEST", Help: "copy a file or directory of the guest", add: pair((*Plan).copy)},
		{Name: "copy-in", Arg: "LOCALPATH:REMOTEDIR", Help: "copy a file or directory of the host into a directory", add: pair((*Plan).copyIn)},
		{Name: "delete", Arg: "PATH", Help: "delete a file, or a directory with all that is in it; wildcards are for the guest", add: (*Plan).delete},
		{Name: "edit", Arg: "FILE:EXPR", Help: "edit a file line by line with a Perl expression", add: pair((*Plan).edit)},
		{Name: "firstboot", Arg: "SCRIPT", HostPath: true, Help: "run a script when the guest boots next", add: (*Plan).firstbootFile},
		{Name: "firstboot-command", Arg: "'CMD+ARGS'", Help: "run a command when the guest boots next", add: (*Plan).firstbootCommand},
		{Name: "firstboot-install", Arg: "PKG,PKG..", Help: "install packages when the guest boots next", add: (*Plan).firstbootInstall},
		{Name: "hostname", Arg: "HOSTNAME", Help: "set the host name", add: (*Plan).hostname},
		{Name: "inject-qemu-ga", Arg: "METHOD", HostPath: true, Help: "install the QEMU guest agent of Windows from a directory when the guest boots next", add: (*Plan).injectQemuGA},
		{Name: "inject-virtio-win", Arg: "METHOD", HostPath: true, Help: "not done: an error for Windows, and nothing for others", add: (*Plan).injectVirtioWin},
		{Name: "install", Arg: "PKG,PKG..", Help: "install packages", add: (*Plan).install},
		{Name: "link", Arg: "TARGET:LINK[:LINK..]", Help: "make symbolic links", add: (*Plan).link},
		{Name: "mkdir", Arg: "DIR", Help: "make a directory, and those above it", add: (*Plan).mkdirOp},
		{Name: "move", Arg: "SOURCE:DEST", Help: "move a file or directory of the guest", add: pair((*Plan).move)},
		{Name: "no-logfile", Help: "remove the log of the programs that were run", add: flag(func(p *Plan) { p.noLogfile = true })},
		{Name: "no-selinux-relabel", Help: "do not relabel, which is the default", add: flag(func(p *Plan) { p.relabel = false })},
		{Name: "password", Arg: "USER:SELECTOR", Secret: true, Help: "set a password: USER:random, USER:file:FILE, USER:password:PASSWORD, USER:locked, USER:disabled", add: pair((*Plan).password)},
		{Name: "password-crypto", Arg: "HASH", Values: cryptoNames, Help: "how passwords are hashed: md5, sha256, sha512 or yescrypt", add: (*Plan).passwordCrypto},
		{Name: "root-password", Arg: "SELECTOR", Secret: true, Help: "set the password of root", add: func(p *Plan, v string) error { return p.password("root", v) }},
		{Name: "run", Arg: "SCRIPT", HostPath: true, Help: "run a script of the host in the guest", add: (*Plan).runFile},
		{Name: "run-command", Arg: "'CMD+ARGS'", Help: "run a command in the guest", add: (*Plan).runCommand},
		{Name: "scrub", Arg: "FILE", Help: "overwrite a file and delete it", add: (*Plan).scrub},
		{Name: "selinux-relabel", Help: "correct the SELinux labels of all files", add: flag(func(p *Plan) { p.relabel = true })},
		{Name: "sm-attach", Arg: "SELECTOR", Secret: true, Help: "attach to a pool of subscription-manager: auto, file:FILE, pool:POOL", add: (*Plan).smAttach},
		{Name: "sm-credentials", Arg: "SELECTOR", Secret: true, Help: "credentials for subscription-manager: USER:file:FILE, USER:password:PASSWORD", add: (*Plan).smCredentials},
		{Name: "sm-register", Help: "register with subscription-manager", add: flagOp((*Plan).smRegister)},
		{Name: "sm-remove", Help: "remove all subscriptions of subscription-manager", add: flagOp((*Plan).smRemove)},
		{Name: "sm-unregister", Help: "unregister with subscription-manager", add: flagOp((*Plan).smUnregister)},
		{Name: "ssh-inject", Arg: "USER[:SELECTOR]", Secret: true, Help: "let a user log in by an SSH key: USER, USER:file:FILE, USER:string:KEY", add: (*Plan).sshInject},
		{Name: "tar-in", Arg: "TARFILE:REMOTEDIR", Help: "unpack an archive of the host into a directory", add: pair((*Plan).tarIn)},
		{Name: "timezone", Arg: "TIMEZONE", Help: "set the time zone, such as Europe/London", add: (*Plan).timezone},
		{Name: "touch", Arg: "FILE", Help: "make a file, or change its time", add: (*Plan).touch},
		{Name: "truncate", Arg: "FILE", Help: "empty a file", add: (*Plan).truncate},
		{Name: "truncate-recursive", Arg: "PATH", Help: "empty all files below a directory", add: (*Plan).truncateAll},
		{Name: "uninstall", Arg: "PKG,PKG..", Help: "uninstall packages", add: (*Plan).uninstall},
		{Name: "update", Help: "update all packages", add: flagOp((*Plan).update)},
		{Name: "upload", Arg: "FILE:DEST", Help: "copy a file of the host to a file or into a directory, with its permissions and owner", add: pair((*Plan).upload)},
		{Name: "write", Arg: "FILE:CONTENT", Help: "write a text to a file", add: pair((*Plan).writeOp)},
	}
}

// optionNamed returns an option, or nil.
func optionNamed(name string) *Option {
	for i := range options {
		if options[i].Name == name {
			return &options[i]
		}
	}
	return nil
}

// pair divides a value at its first colon.
func pair(add func(p *Plan, a, b string) error) func(*Plan, string) error {
	return func(p *Plan, value string) error {
		a, b, ok := strings.Cut(value, ":")
		if !ok {
			return errors.New("no colon in the value")
		}
		return add(p, a, b)
	}
}

func flag(set func(p *Plan)) func(*Plan, string) error {
	return func(p *Plan, _ string) error { set(p); return nil }
}

func flagOp(add func(p *Plan) error) func(*Plan, string) error {
	return func(p *Plan, _ string) error { return add(p) }
}

// absolute checks a path of the guest.
func absolute(names ...string) error {
	for _, name := range names {
		switch {
		case !strings.HasPrefix(name, "/"):
			return fmt.Errorf("the path in the guest does not begin with a slash: %q", name)
		case strings.Contains(name, "\x00"):
			return errors.New("a path with a NUL byte")
		}
	}
	return nil
}
