package packages

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/unboot/unboot/inspect/packages/rpmdb"
)

// The places of RPM's database: most distributions'; SUSE's and Fedora's since 36; that
// of systems made by rpm-ostree. The newest format comes first, since a conversion may
// leave the old file where it was.
var (
	rpmDirs  = []string{"var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"}
	rpmFiles = []string{"rpmdb.sqlite", "Packages.db", "Packages"}
)

// maxRPM is the largest database that is read, in bytes.
const maxRPM = 4 << 30

// RPM lists the packages that rpm(8) has installed, as rpm -qa does, with the public
// keys that it has as packages named gpg-pubkey.
func RPM(fsys fs.FS) ([]Package, error) {
	var first error
	for _, dir := range rpmDirs {
		for _, name := range rpmFiles {
			f, err := open(fsys, dir+"/"+name)
			if err != nil {
				if first == nil || errors.Is(first, fs.ErrNotExist) {
					first = err
				}
				continue
			}
			// The first that can be opened is the one in use, even if it is damaged: an
			// older one would list packages that are gone.
			defer f.Close()
			l := new(lister)
			err = l.rpm(fsys, dir+"/"+name, f)
			if err != nil {
				err = fmt.Errorf("rpm: %s: %w", dir+"/"+name, err)
			}
			return l.list, err
		}
	}
	return nil, missing("rpm", first)
}

func (l *lister) rpm(fsys fs.FS, name string, f fs.File) error {
	var db rpmdb.DB
	var err error
	if db.R, db.Size, err = readerAt(f); err != nil {
		return err
	}
	if strings.HasSuffix(name, ".sqlite") {
		// Until a checkpoint, the newest packages are only in the log. A system that was
		// not shut down leaves one.
		if log, err := open(fsys, name+"-wal"); err == nil {
			defer log.Close()
			if db.Log, db.LogSize, err = readerAt(log); err != nil {
				return err
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// A header that cannot be read costs one package, not the list.
	var first error
	for blob, err := range db.Headers() {
		var h *rpmdb.Header
		if err == nil {
			h, err = rpmdb.ParseHeader(blob)
		}
		if err == nil && !l.add(rpmPackage(h)) {
			return ErrTooLarge
		}
		if first == nil && err != nil {
			first = err
		}
	}
	if errors.Is(first, rpmdb.ErrCorrupt) || errors.Is(first, rpmdb.ErrFormat) {
		first = fmt.Errorf("%w: %w", ErrCorrupt, first)
	}
	return first
}

// rpmPackage takes from a header what a list has.
func rpmPackage(h *rpmdb.Header) Package {
	p := Package{
		Name:        h.String(rpmdb.TagName),
		Version:     h.String(rpmdb.TagVersion),
		Release:     h.String(rpmdb.TagRelease),
		Arch:        h.String(rpmdb.TagArch),
		Publisher:   h.String(rpmdb.TagVendor),
		URL:         h.String(rpmdb.TagURL),
		Summary:     h.String(rpmdb.TagSummary),
		Description: h.String(rpmdb.TagDescription),
	}
	if p.Publisher == "" {
		p.Publisher = h.String(rpmdb.TagPackager)
	}
	if n, ok := h.Int(rpmdb.TagEpoch); ok && n < 1<<31 {
		p.Epoch = int32(n)
	}
	p.SourcePackage = sourceName(h.String(rpmdb.TagSourceRPM))
	return p
}

// sourceName returns the name in "bash-5.2.15-3.fc38.src.rpm".
func sourceName(file string) string {
	for _, suffix := range []string{".src.rpm", ".nosrc.rpm"} {
		if rest, ok := strings.CutSuffix(file, suffix); ok {
			for range 2 { // the release, the version
				if i := strings.LastIndexByte(rest, '-'); i > 0 {
					rest = rest[:i]
				}
			}
			return rest
		}
	}
	return ""
}

// readerAt returns a way to read a file from anywhere: its own, or a copy in memory.
func readerAt(f fs.File) (io.ReaderAt, int64, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if r, ok := f.(io.ReaderAt); ok {
		if st.Size() > maxRPM {
			return nil, 0, ErrTooLarge
		}
		return r, st.Size(), nil
	}
	data, err := io.ReadAll(io.LimitReader(f, maxTotal+1))
	if err == nil && len(data) > maxTotal {
		err = ErrTooLarge
	}
	return bytes.NewReader(data), int64(len(data)), err
}
