package sysprep

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/unboot/unboot"
)

func (r *run) backupFiles(context.Context) error {
	dirs := []string{"/"}
	if unixLike(r.g.System) {
		dirs = []string{"/etc", "/root", "/srv", "/tmp", "/var"}
	}
	for _, dir := range dirs {
		st, err := r.g.FS.Lstat(unboot.CleanPath(dir))
		if err != nil || !st.IsDir() {
			continue
		}
		err = r.removeBelow(dir, func(e *unboot.Entry) bool {
			return strings.HasSuffix(e.Name(), ".bak") || strings.HasSuffix(e.Name(), "~")
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) caCertificates(ctx context.Context) error {
	keep := []string{"/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/tls/certs/ca-bundle.trust.crt"}
	list, err := r.match(ctx, []string{
		"/etc/pki/CA/certs/*.crt", "/etc/pki/CA/crl/*.crt", "/etc/pki/CA/newcerts/*.crt", "/etc/pki/CA/private/*.key",
		"/etc/pki/tls/private/*.key", "/etc/pki/tls/certs/*.crt",
	})
	for _, name := range list {
		if err != nil {
			return err
		}
		if !slices.Contains(keep, name) {
			var removed bool
			removed, err = r.removeFile(name)
			r.certificates = r.certificates || removed
		}
	}
	return err
}

func (r *run) ipaClient(ctx context.Context) error {
	err := r.removeFiles(ctx, []string{
		"/etc/ipa/ca.crt", "/etc/ipa/default.conf", "/var/lib/ipa-client/sysrestore/*", "/var/lib/ipa-client/pki/*",
	}, nil)
	for _, name := range []string{
		"/etc/pki/ca-trust/source/anchors/ipa-ca.crt", "/usr/local/share/ca-certificates/ipa-ca.crt", "/etc/pki/ca-trust/source/ipa.p11-kit",
	} {
		if err != nil {
			return err
		}
		var removed bool
		removed, err = r.removeFile(name)
		r.certificates = r.certificates || removed
	}
	return err
}

// updateCertificates has the guest make its store of certificates again, now or when it
// boots next.
func (r *run) updateCertificates(ctx context.Context) error {
	command := ""
	switch {
	case redHat(r.g.System):
		command = "update-ca-trust extract"
	case distro("debian", "ubuntu", "kalilinux", "linuxmint", "opensuse", "sles", "suse-based", "alpinelinux")(r.g.System):
		command = "update-ca-certificates"
	default:
		r.warn("the store of CA certificates cannot be updated in this guest")
		return nil
	}
	if r.g.Runner != nil {
		err := r.g.RunScript(ctx, command, command+"\n")
		if err == nil {
			return nil
		}
		r.warn("%v; the guest does it when it boots next", err)
	}
	return r.g.Firstboot(command, command+"\n")
}

func (r *run) cronSpool(ctx context.Context) error {
	other := func(e *unboot.Entry) bool { return e.Name() != ".SEQ" }
	for _, dir := range []string{"/var/spool/cron", "/var/spool/at"} {
		if err := r.removeBelow(dir, other); err != nil {
			return err
		}
	}
	if err := r.removeFiles(ctx, []string{"/var/spool/atjobs/*", "/var/spool/atspool/*"}, nil); err != nil {
		return err
	}
	// The number of the next job.
	for _, name := range []string{"/var/spool/cron/atjobs/.SEQ", "/var/spool/atjobs/.SEQ", "/var/spool/at/.SEQ"} {
		if st, err := r.g.FS.Lstat(unboot.CleanPath(name)); err == nil && st.Mode().IsRegular() {
			if err := r.g.WriteFile(name, []byte("00000\n"), 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) machineID(context.Context) error {
	for _, name := range []string{"etc/machine-id", "var/lib/dbus/machine-id"} {
		if st, err := r.g.FS.Lstat(name); err == nil && st.Mode().IsRegular() {
			if err := r.g.FS.Truncate(name, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropInterfaceLines removes lines from the configuration of network interfaces.
func (r *run) dropInterfaceLines(ctx context.Context, prefixes ...string) error {
	list, err := r.match(ctx, []string{"/etc/sysconfig/network-scripts/ifcfg-*"})
	if err != nil {
		return err
	}
	for _, name := range list {
		err := r.g.EditLines(name, func(line string) bool {
			return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(line, p) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) pacctLog(ctx context.Context) error {
	file := "/var/account/pacct"
	switch {
	case redHat(r.g.System):
	case distro("debian", "ubuntu", "kalilinux", "linuxmint")(r.g.System):
		file = "/var/log/account/pacct"
	default:
		return nil
	}
	if err := r.removeFiles(ctx, []string{file + "*"}, nil); err != nil {
		return err
	}
	if err := r.g.Touch(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// caches are the directories that package managers keep packages in.
var caches = map[string][]string{
	"apk": {"/var/cache/apk"}, "apt": {"/var/cache/apt/archives"}, "dnf": {"/var/cache/dnf"}, "pacman": {"/var/cache/pacman/pkg"},
	"xbps": {"/var/cache/xbps"}, "yum": {"/var/cache/yum"}, "zypper": {"/var/cache/zypp*"},
}

func (r *run) packageCache(ctx context.Context) error {
	dirs, err := r.match(ctx, caches[r.g.System.PackageManagement])
	for _, dir := range dirs {
		if err == nil {
			err = r.removeBelow(dir, func(*unboot.Entry) bool { return true })
		}
	}
	return err
}

// withoutUsers returns a table without the lines whose first field is one of some names.
// With members, those are taken out of the lists of members too, which are the fourth
// field of group(5) and gshadow(5).
func withoutUsers(table []byte, users map[string]bool, members bool) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(table) {
		text := strings.TrimRight(string(line), "\r\n")
		f := strings.Split(text, ":")
		if len(f) > 1 && users[f[0]] {
			continue
		}
		if members && len(f) == 4 {
			for i := 2; i < 4; i++ {
				f[i] = strings.Join(slices.DeleteFunc(strings.Split(f[i], ","), func(name string) bool { return users[name] }), ",")
			}
			out.WriteString(strings.Join(f, ":"))
			out.Write(line[len(text):])
			continue
		}
		out.Write(line)
	}
	return out.Bytes()
}

// isSystemDir reports whether a path is a directory that a system cannot be without.
func isSystemDir(p string) bool {
	return slices.Contains(system, unboot.CleanPath(p)) || path.Dir(unboot.CleanPath(p)) == "usr"
}
