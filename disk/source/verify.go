package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/unboot/unboot/disk"
)

// VerifyOptions say what an image has to be. The zero value takes any format and any size.
type VerifyOptions struct {
	// Format is the name of the format that the image is said to be in, or "".
	Format string
	// MaxSize is how large the disk may be, in bytes, or 0.
	MaxSize int64
}

// A Verdict is what is found of an image that nobody vouches for.
type Verdict struct {
	Format   string // as which it was looked at, or ""
	Size     int64  // of the disk, in bytes, if that is known
	FileSize int64  // of the file, in bytes
	// Reasons say why the image should not be taken. There are none if all is well.
	Reasons []disk.Finding
	// Notes are what one may want to know of an image all the same.
	Notes []disk.Finding
}

// Verify is [Registry.Verify] with what is [Known].
func Verify(ctx context.Context, name string, o VerifyOptions) (*Verdict, error) {
	return known.Verify(ctx, name, o)
}

// Verify looks at an image that comes from somebody who is not trusted, before anything uses
// it: whether it is in the format that it is said to be in and in no other, names no
// file, and has tables that contradict neither themselves nor the file. What is on the disk
// is not judged, but that it does not look like an image again: whoever converts it to a raw one,
// and has the format detected then, opens what it names.
//
// An error is one of the options, or of getting at the file; whatever else goes wrong is a
// reason. Nothing is changed, and nothing that the image names is opened. The codes of the
// findings are:
//
//	format     it is not in the format that it is said to be in, or in none that is known
//	polyglot   it looks like something else too
//	reference  it needs another file: a backing file, a parent, or one with data
//	size       the disk is larger than it may be
//	damaged    it cannot be read
//	feature    it has a feature that is not known here
//	corrupt    it is marked as corrupt
//	tables     its tables are wrong
//	trailing   the file has something after its end, which is not of the image
//	nested     what is on the disk looks like an image
//	encrypted, dirty, leaks, snapshots   are notes
func (r *Registry) Verify(ctx context.Context, name string, o VerifyOptions) (*Verdict, error) {
	f, err := r.named(o.Format)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	d, at, err := r.bytes(ctx, name, Options{})
	if errors.Is(err, disk.ErrEmpty) {
		return &Verdict{Format: o.Format, Reasons: []disk.Finding{{Code: "format", Text: disk.ErrEmpty.Error()}}}, nil
	}
	if err != nil {
		return nil, err
	}
	v := &verifier{Verdict: Verdict{Format: o.Format, FileSize: d.Size()}, r: r, ctx: ctx, d: d, at: at, f: f, o: o}
	v.look()
	err = v.d.Close()
	if ctx.Err() != nil {
		return nil, at.wrap(context.Cause(ctx))
	}
	if err != nil {
		return nil, at.wrap(err)
	}
	return &v.Verdict, nil
}

type verifier struct {
	Verdict
	r   *Registry
	ctx context.Context
	d   disk.Device // the file, or the image when it was opened
	at  place
	f   *Format
	o   VerifyOptions

	signatures []disk.Signature
	fatal      bool // there is no sense in looking further
}

func (v *verifier) reason(code, format string, args ...any) {
	v.Reasons = append(v.Reasons, disk.Finding{Code: code, Text: fmt.Sprintf(format, args...)})
}

func (v *verifier) note(code, format string, args ...any) {
	v.Notes = append(v.Notes, disk.Finding{Code: code, Text: fmt.Sprintf(format, args...)})
}

// broken notes an error after which there is no sense in looking further.
func (v *verifier) broken(code string, err error) {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	v.reason(code, "%v", err)
	v.fatal = true
}

func (v *verifier) look() {
	for _, step := range []func(){v.formats, v.stat, v.state, v.check, v.open} {
		if step(); v.fatal || v.ctx.Err() != nil {
			return
		}
	}
}

// formats finds out what the file looks like.
func (v *verifier) formats() {
	head, tail, err := ends(v.d)
	if err == nil {
		v.signatures, err = disk.Signatures(v.d, v.d.Size())
	}
	if err != nil {
		v.broken("damaged", err)
		return
	}
	var like []*Format
	for i := range v.r.Formats {
		if f := &v.r.Formats[i]; f.Match != nil && f.Match(head, tail) {
			like = append(like, f)
		}
	}
	claimed := v.f != nil
	if v.f == nil {
		if v.f, err = v.r.recognize(v.d, v.at); err != nil {
			v.broken("format", err)
			return
		}
		v.Format = v.f.Name
	}
	if v.f.Match != nil && !slices.Contains(like, v.f) {
		text := fmt.Sprintf("it is not in %s format", v.f.Name)
		for _, f := range like {
			text += ", but in " + f.Name
		}
		v.reason("format", "%s", text)
		v.fatal = true
		return
	}
	for _, f := range like {
		switch {
		case f == v.f, slices.Contains(v.f.Signatures, f.Name):
		case claimed && v.f.Match == nil:
			v.reason("format", "it is in %s format, not %s", f.Name, v.f.Name)
		default:
			v.reason("polyglot", "it is in %s format too", f.Name)
		}
	}
	for _, s := range v.signatures {
		if !s.Content && !v.own(s.Name, like) {
			v.reason("polyglot", "it looks like %s too", s.Name)
		}
	}
}

// own reports whether a signature is that of a format which was recognized by itself.
func (v *verifier) own(name string, like []*Format) bool {
	for _, f := range append(like, v.f) {
		if strings.EqualFold(f.Name, name) || slices.Contains(f.Signatures, name) {
			return true
		}
	}
	return false
}

// stat looks at what the image says of itself.
func (v *verifier) stat() {
	size, refs, err := int64(0), []disk.Reference(nil), error(nil)
	if v.f.StatMax != nil && v.o.MaxSize > 0 {
		size, err = v.f.StatMax(v.d, v.o.MaxSize)
	} else {
		size, refs, err = v.f.Stat(v.d)
	}
	if err != nil {
		v.broken("damaged", err)
		return
	}
	v.Size = size
	if size < 0 {
		v.broken("damaged", fmt.Errorf("a disk of %d bytes", size))
	}
	if v.o.MaxSize > 0 && size > v.o.MaxSize {
		v.reason("size", "the disk has %d bytes, and may have %d", size, v.o.MaxSize)
	}
	for i, ref := range refs {
		if i == mostReferences {
			v.reason("reference", "and %d more files", len(refs)-i)
			break
		}
		if ref.Name == "" {
			v.reason("reference", "it needs a %s, which it does not name", ref.Role)
		} else {
			v.reason("reference", "it names the %s %q", ref.Role, ref.Name)
		}
	}
}

// mostReferences is how many of the files are told that an image names.
const mostReferences = 20

// state looks at what the format knows beside that.
func (v *verifier) state() {
	if v.f.State == nil {
		return
	}
	reasons, notes, err := v.f.State(v.d)
	v.Reasons, v.Notes = append(v.Reasons, reasons...), append(v.Notes, notes...)
	if err != nil {
		v.broken("damaged", err)
	}
	if slices.ContainsFunc(reasons, func(f disk.Finding) bool { return f.Code == "feature" }) {
		v.fatal = true
	}
}

// check looks through the tables.
func (v *verifier) check() {
	if v.f.Check == nil {
		return
	}
	res, err := v.f.Check(v.d, v.at.name, disk.RepairNothing)
	if errors.Is(err, disk.ErrNotAllowed) && v.referring() {
		return // that is a reason already
	}
	if err != nil {
		v.broken("damaged", err)
		return
	}
	if res.Errors > 0 {
		text := fmt.Sprintf("its tables have %d errors", res.Errors)
		if len(res.Problems) > 0 {
			text += ", such as: " + res.Problems[0]
		}
		v.broken("tables", errors.New(text))
		return
	}
	if res.Leaks > 0 {
		v.note("leaks", "%d clusters of the file are not in use", res.Leaks)
	}
	if res.Rest.Size > 0 {
		v.trailing(res.Rest)
	}
}

// trailing looks whether anything but zeros follows the end of the image.
func (v *verifier) trailing(rest disk.Range) {
	buf := make([]byte, 256<<10)
	list := func(yield func(disk.Extent, error) bool) {
		yield(disk.Extent{Start: rest.Start, Size: rest.Size, Kind: disk.Data}, nil)
	}
	if x, ok := disk.As[disk.Extenter](v.d); ok {
		list = x.Extents(rest.Start, rest.Size)
	}
	for e, err := range list {
		if err != nil {
			v.broken("damaged", err)
			return
		}
		if e.Kind == disk.Hole || e.Kind == disk.Zero {
			continue
		}
		for at, last := e.Start, e.Start+e.Size; at < last; {
			if v.ctx.Err() != nil {
				return
			}
			b := buf[:min(int64(len(buf)), last-at)]
			clear(b)
			if err := readSome(v.d, b, at, v.d.Size()); err != nil {
				v.broken("damaged", err)
				return
			}
			for i, c := range b {
				if c != 0 {
					v.reason("trailing", "the image ends at %d, and the file has something at %d", rest.Start, at+int64(i))
					return
				}
			}
			at += int64(len(b))
		}
	}
}

// referring reports whether the image is known to need another file.
func (v *verifier) referring() bool {
	return slices.ContainsFunc(v.Reasons, func(f disk.Finding) bool { return f.Code == "reference" })
}

// open looks at the disk that is in the image, if that needs no other file.
func (v *verifier) open() {
	plain := v.f.Match == nil
	if !v.referring() && v.f.StatMax == nil && !plain {
		image, err := v.f.Open(v.d, v.at.name, func(ref disk.Reference) (disk.Device, error) {
			return nil, &disk.NotAllowedError{Reference: v.at.complete(ref, 0)}
		})
		switch {
		case errors.Is(err, disk.ErrNotAllowed):
			v.broken("reference", err)
			return
		case err != nil:
			v.broken("damaged", err)
			return
		}
		file := v.d
		v.d = image
		if e, ok := disk.As[disk.Encrypted](image); ok && e.Encryption() != nil {
			v.note("encrypted", "it is encrypted (%s): what is on the disk was not looked at", e.Encryption().Method)
		} else {
			plain = v.begins(file)
			v.nested()
			v.walk(file.Size())
		}
	}
	if plain {
		return
	}
	for _, s := range v.signatures {
		if s.Content {
			v.reason("polyglot", "the file itself has what a raw disk has: %s", s.Name)
		}
	}
}

// begins reports whether the file begins with the disk, as that of a fixed VHD does.
func (v *verifier) begins(file disk.Device) bool {
	if v.d.Size() == 0 {
		return false
	}
	for e, err := range extentsOf(v.d, min(v.d.Size(), disk.MinSize)) {
		return err == nil && e.Kind == disk.Data && e.Offset == 0 && e.Depth == 0
	}
	return false
}

func extentsOf(d disk.Device, n int64) func(func(disk.Extent, error) bool) {
	if e, ok := disk.As[disk.Extenter](d); ok {
		return e.Extents(0, n)
	}
	return func(func(disk.Extent, error) bool) {}
}

// nested looks whether the disk looks like an image.
func (v *verifier) nested() {
	if v.d.Size() == 0 {
		return
	}
	head, tail, err := ends(v.d)
	if err != nil {
		v.broken("damaged", err)
		return
	}
	for i := range v.r.Formats {
		if f := &v.r.Formats[i]; f.Match != nil && f.StatMax == nil && f.Match(head, tail) {
			v.reason("nested", "what is on the disk looks like an image in %s format", f.Name)
		}
	}
}

// walk looks where the image says that its data is: through the tables of a format that has no
// check, and past the end of a file that was cut off.
func (v *verifier) walk(size int64) {
	if v.f.Check != nil && !v.f.Whole || v.fatal {
		return
	}
	for e, err := range extentsOf(v.d, v.d.Size()) {
		switch {
		case err != nil:
			v.broken("tables", err)
			return
		case v.ctx.Err() != nil:
			return
		case e.Kind == disk.Data && e.Depth == 0 && e.Offset+e.Size > size+lastUnit:
			v.broken("tables", fmt.Errorf("what is at %d on the disk lies past the end of the file, at %d (was it truncated?)", e.Start, e.Offset))
			return
		}
	}
}

// lastUnit is by how many bytes the last unit of a file may be shorter than what is stored in it.
const lastUnit = 64 << 10
