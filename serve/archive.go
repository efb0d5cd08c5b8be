package serve

import (
	"archive/zip"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/tarball"
	"github.com/unboot/unboot/internal/treecopy"
)

// archive answers with all that is below a directory. If something of it cannot be read, the
// answer is broken off at once, so that nobody takes it for whole.
func (h *handler) archive(w http.ResponseWriter, r *http.Request, name, format string) {
	root, err := treecopy.RealPath(h.fsys, name)
	if err != nil {
		h.failed(w, name, err)
		return
	}
	base := path.Base(name)
	if name == "." {
		base = "image"
	}
	w.Header().Set("Content-Type", map[string]string{"tar": "application/x-tar", "zip": "application/zip"}[format])
	w.Header().Set("Content-Disposition", disposition("attachment", base+"."+format))
	if r.Method == http.MethodHead {
		return
	}
	if h.archives.take(r.Context()) != nil {
		return
	}
	defer h.archives.free()
	if format == "tar" {
		err = h.tar(r.Context(), w, root, base)
	} else {
		err = h.zip(r.Context(), w, root, base)
	}
	if err != nil {
		if r.Context().Err() == nil {
			h.log(name, err)
		}
		panic(http.ErrAbortHandler)
	}
}

func (h *handler) tar(ctx context.Context, w io.Writer, root, base string) error {
	src := &treecopy.ImageSource{FS: h.fsys, Root: root}
	dst := &treecopy.TarSink{W: tarball.NewWriter(w), Base: base}
	dst.Report.Fail = func(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }
	return treecopy.Transfer(ctx, src, dst)
}

// zip writes files, directories and symbolic links; what else there is has no place in a zip.
func (h *handler) zip(ctx context.Context, w io.Writer, root, base string) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	for e, err := range h.fsys.Walk(root, &unboot.WalkOptions{Links: true}) {
		if err == nil {
			err = errors.Join(ctx.Err(), e.Err)
		}
		if err == nil {
			err = h.zipEntry(z, e, root, base)
		}
		if err != nil {
			return err
		}
	}
	return z.Close()
}

func (h *handler) zipEntry(z *zip.Writer, e *unboot.Entry, root, base string) error {
	name := base
	switch p := e.Path(); {
	case p == root:
	case root == ".":
		name += "/" + p
	default:
		name += strings.TrimPrefix(p, root)
	}
	// Programs of Windows, and unzip at times, take a backslash for a slash.
	name = strings.ReplaceAll(name, `\`, "_")
	head := &zip.FileHeader{Name: name, Modified: e.ModTime(), NonUTF8: !utf8.ValidString(name)}
	head.SetMode(e.Mode())
	switch e.Mode().Type() {
	case fs.ModeDir:
		head.Name += "/"
		_, err := z.CreateHeader(head)
		return err
	case fs.ModeSymlink:
		f, err := z.CreateHeader(head)
		if err == nil {
			_, err = io.WriteString(f, e.Link)
		}
		return err
	case 0:
	default:
		return nil
	}
	head.Method = zip.Deflate
	f, err := z.CreateHeader(head)
	if err != nil {
		return err
	}
	in, err := h.fsys.Open(e.Path())
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(f, in)
	return err
}
