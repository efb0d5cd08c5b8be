package tarball

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/unboot/unboot/internal/acl"
)

// A Writer writes an archive. Its output comes in large pieces whatever the
// sizes of the members are.
type Writer struct {
	w    io.Writer
	buf  []byte // not yet written
	pax  []byte // records of the member in the making
	left int64  // bytes to come of the current member
	pad  int    // zeros after them
	n    int64
	err  error
}

// flushAt is how much is collected before it is written, and directSize from
// what size on data are passed on without a copy.
const (
	flushAt    = 512 << 10
	directSize = 64 << 10
)

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, buf: make([]byte, 0, flushAt+directSize)}
}

// Written returns the length of the archive so far, in bytes.
func (w *Writer) Written() int64 { return w.n }

// WriteHeader begins a member. The [Header.Stored] bytes of a regular file are
// to be written next.
func (w *Writer) WriteHeader(h *Header) error {
	if err := w.finish(); err != nil {
		return err
	}
	if err := check(h); err != nil {
		return err // the archive goes on without the member
	}
	var block [blockSize]byte
	w.pax = w.pax[:0]
	name, size := h.Name, h.Stored()
	if h.Type == TypeDir && !strings.HasSuffix(name, "/") {
		name += "/"
	}
	sparse := h.Type == TypeReg && h.Sparse
	var table []byte
	if sparse {
		table = sparseTable(h)
		size += int64(len(table))
		w.record("GNU.sparse.major", "1")
		w.record("GNU.sparse.minor", "0")
		w.record("GNU.sparse.name", name)
		w.record("GNU.sparse.realsize", strconv.FormatInt(h.Size, 10))
		// A program that does not know the format finds the table and the data under
		// this name, not under the file's.
		name = sparseName(name)
	}

	w.names(&block, name, h.Linkname)
	octal(block[offMode:offMode+8], int64(h.Mode&0o7777))
	w.number(&block, offUID, 8, "uid", h.UID)
	w.number(&block, offGID, 8, "gid", h.GID)
	w.number(&block, offSize, 12, "size", size)
	w.times(&block, h)
	block[offType] = h.Type
	copy(block[offMagic:], "ustar\x0000")
	w.owner(&block, offUser, "uname", h.User)
	w.owner(&block, offGroup, "gname", h.Group)
	if h.Type == TypeChar || h.Type == TypeBlock {
		w.number(&block, offMajor, 8, "SCHILY.devmajor", int64(h.Major))
		w.number(&block, offMinor, 8, "SCHILY.devminor", int64(h.Minor))
	}
	for i := range h.Xattrs {
		w.xattr(&h.Xattrs[i])
	}
	if len(w.pax) > 0 {
		w.extended(h.Name)
	}
	checksum(&block)
	w.put(block[:])
	w.put(table)
	w.left = h.Stored()
	w.pad = padding(w.left)
	return w.flush(false)
}

// check refuses what the records of an archive cannot express.
func check(h *Header) error {
	switch h.Type {
	case TypeReg, TypeLink, TypeSymlink, TypeChar, TypeBlock, TypeDir, TypeFifo:
	default:
		return fmt.Errorf("%w: unknown type %q", ErrInvalid, h.Type)
	}
	if h.Name == "" || strings.IndexByte(h.Name, 0) >= 0 || strings.IndexByte(h.Linkname, 0) >= 0 {
		return fmt.Errorf("%w: name %q, link %q", ErrInvalid, h.Name, h.Linkname)
	}
	if h.Size < 0 || h.UID < 0 || h.GID < 0 {
		return fmt.Errorf("%w: negative number", ErrInvalid)
	}
	for _, x := range h.Xattrs {
		if x.Name == "" || strings.ContainsAny(x.Name, "=\x00") {
			return fmt.Errorf("%w: attribute %q cannot stand in an archive", ErrInvalid, x.Name)
		}
	}
	if !h.Sparse {
		return nil
	}
	for i, s := range h.Data {
		if s.Len%blockSize != 0 && i < len(h.Data)-1 {
			return fmt.Errorf("%w: a segment of %d bytes before others (see Align)", ErrInvalid, s.Len)
		}
	}
	return checkData(h.Data, h.Size)
}

// Align makes segments that a Writer takes, out of the extents of a file of the
// size: ascending ones are rounded to blocks and merged where they touch. GNU tar
// takes each segment's data to fill whole blocks, be it so or not.
func Align(data []Segment, size int64) []Segment {
	var out []Segment
	for _, s := range data {
		end := s.Off + s.Len
		end = min(size, end+int64(padding(end)))
		s.Off -= s.Off % blockSize
		if n := len(out); n > 0 && out[n-1].Off+out[n-1].Len >= s.Off {
			out[n-1].Len = max(end-out[n-1].Off, out[n-1].Len)
		} else if end > s.Off {
			out = append(out, Segment{s.Off, end - s.Off})
		}
	}
	return out
}

// names puts the name and the link's target into the header where they fit and
// into records where they do not. Bytes beyond ASCII stay as they are in the
// header; in records, which are UTF-8 by the standard, the others are announced.
func (w *Writer) names(block *[blockSize]byte, name, link string) {
	long := len(link) > lenName
	if prefix, rest, ok := splitName(name); ok {
		copy(block[offName:], rest)
		copy(block[offPrefix:], prefix)
	} else {
		long = true
	}
	if long && (!utf8.ValidString(name) || !utf8.ValidString(link)) {
		w.record("hdrcharset", "BINARY")
	}
	if block[offName] == 0 {
		copy(block[offName:offName+lenName], name)
		w.record(keyPath, name)
	}
	if len(link) > lenName {
		w.record(keyLinkpath, link)
	}
	copy(block[offLinkname:offLinkname+lenName], link)
}

// splitName divides a name into the prefix and name fields.
func splitName(name string) (prefix, rest string, ok bool) {
	if len(name) <= lenName {
		return "", name, true
	}
	if len(name) > lenPrefix+1+lenName {
		return "", "", false
	}
	i := strings.LastIndexByte(name[:min(len(name)-1, lenPrefix+1)], '/')
	if i <= 0 || len(name)-i-1 > lenName {
		return "", "", false
	}
	return name[:i], name[i+1:], true
}

// number writes a number in octal or, if it does not fit, into a record.
func (w *Writer) number(block *[blockSize]byte, off, size int, key string, v int64) {
	if !octal(block[off:off+size], v) {
		octal(block[off:off+size], 0)
		w.record(key, strconv.FormatInt(v, 10))
	}
}

func (w *Writer) owner(block *[blockSize]byte, off int, key, name string) {
	if len(name) >= lenUser {
		w.record(key, name)
		return
	}
	copy(block[off:], name)
}

func (w *Writer) times(block *[blockSize]byte, h *Header) {
	sec := h.Mtime.Unix()
	if h.Mtime.IsZero() {
		sec = 0
	}
	if !octal(block[offMtime:offMtime+12], sec) {
		octal(block[offMtime:offMtime+12], 0)
		w.record("mtime", paxTime(h.Mtime))
	} else if h.Mtime.Nanosecond() != 0 {
		w.record("mtime", paxTime(h.Mtime))
	}
	if !h.Atime.IsZero() {
		w.record("atime", paxTime(h.Atime))
	}
	if !h.Ctime.IsZero() {
		w.record("ctime", paxTime(h.Ctime))
	}
}

// paxTime is the time in seconds, with as many decimals as it takes.
func paxTime(t time.Time) string {
	sec, nsec := t.Unix(), int64(t.Nanosecond())
	if nsec == 0 {
		return strconv.FormatInt(sec, 10)
	}
	sign := ""
	if sec < 0 { // -1.5 is two seconds before zero and half a one on
		sec, nsec = -(sec + 1), 1e9-nsec
		sign = "-"
	}
	frac := strconv.FormatInt(1e9+nsec, 10)[1:]
	return sign + strconv.FormatInt(sec, 10) + "." + strings.TrimRight(frac, "0")
}

// xattr writes an attribute and, for an access control list, the text by which
// tar --acls and bsdtar know it.
func (w *Writer) xattr(x *Xattr) {
	w.record(keyXattr+x.Name, x.Value)
	key := ""
	switch x.Name {
	case acl.Access:
		key = keyACL
	case acl.Default:
		key = keyDefACL
	default:
		return
	}
	if text, ok := aclText(x.Value); ok {
		w.record(key, text)
	}
}

// record appends "length key=value\n", where the length counts its own digits.
func (w *Writer) record(key, value string) {
	n := len(key) + len(value) + 3
	size := n + digits(n)
	if digits(size) > digits(n) {
		size++
	}
	w.pax = strconv.AppendInt(w.pax, int64(size), 10)
	w.pax = append(w.pax, ' ')
	w.pax = append(w.pax, key...)
	w.pax = append(w.pax, '=')
	w.pax = append(w.pax, value...)
	w.pax = append(w.pax, '\n')
}

func digits(n int) int {
	d := 1
	for ; n >= 10; n /= 10 {
		d++
	}
	return d
}

// extended writes the records as a member of type x.
func (w *Writer) extended(name string) {
	var block [blockSize]byte
	// The name has no meaning; it shows only in tools that do not know pax.
	base := name
	if i := strings.LastIndexByte(strings.TrimRight(base, "/"), '/'); i >= 0 {
		base = base[i+1:]
	}
	copy(block[offName:offName+lenName], "PaxHeaders/"+base)
	octal(block[offMode:offMode+8], 0o644)
	octal(block[offUID:offUID+8], 0)
	octal(block[offGID:offGID+8], 0)
	octal(block[offSize:offSize+12], int64(len(w.pax)))
	octal(block[offMtime:offMtime+12], 0)
	block[offType] = 'x'
	copy(block[offMagic:], "ustar\x0000")
	checksum(&block)
	w.put(block[:])
	w.put(w.pax)
	w.zeros(padding(int64(len(w.pax))))
}

// sparseName is the name of a sparse file for readers that do not know them.
func sparseName(name string) string {
	i := strings.LastIndexByte(name, '/') + 1
	return name[:i] + "GNUSparseFile.0/" + name[i:]
}

// sparseTable is the map that stands before the data of a sparse file: decimal
// numbers on lines of their own, padded to a block. A file that ends in a hole
// has an empty segment there.
func sparseTable(h *Header) []byte {
	n := len(h.Data)
	end := n == 0 || h.Data[n-1].Off+h.Data[n-1].Len < h.Size
	if end {
		n++
	}
	b := make([]byte, 0, blockSize)
	line := func(v int64) {
		b = strconv.AppendInt(b, v, 10)
		b = append(b, '\n')
	}
	line(int64(n))
	for _, s := range h.Data {
		line(s.Off)
		line(s.Len)
	}
	if end {
		line(h.Size)
		line(0)
	}
	return slices.Grow(b, padding(int64(len(b))))[:len(b)+padding(int64(len(b)))]
}

func padding(n int64) int { return int(-n & (blockSize - 1)) }

// octal writes v as octal digits and a NUL, as the header has it, or says that
// it does not fit.
func octal(b []byte, v int64) bool {
	if v < 0 || v>>(3*uint(len(b)-1)) != 0 {
		return false
	}
	b[len(b)-1] = 0
	for i := len(b) - 2; i >= 0; i-- {
		b[i] = '0' + byte(v&7)
		v >>= 3
	}
	return true
}

// checksum fills in the sum of all bytes, its own field counted as blanks.
func checksum(block *[blockSize]byte) {
	sum := int64(8 * ' ')
	for _, c := range block {
		sum += int64(c)
	}
	octal(block[offChecksum:offChecksum+7], sum)
	block[offChecksum+7] = ' '
}

// Write writes the next bytes of the current member's data.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if int64(len(p)) > w.left {
		return 0, ErrTooLong
	}
	w.left -= int64(len(p))
	if len(p) < directSize {
		w.put(p)
		return len(p), w.flush(false)
	}
	if err := w.flush(true); err != nil {
		return 0, err
	}
	n, err := w.w.Write(p)
	w.n += int64(n)
	w.err = err
	return n, err
}

// Left returns how many bytes of the current member are still to be written.
func (w *Writer) Left() int64 { return w.left }

// Fill writes zeros for the rest of the current member: for a file that has
// become shorter, or unreadable, after its header went out.
func (w *Writer) Fill() error {
	var zero [4096]byte
	for w.left > 0 {
		if _, err := w.Write(zero[:min(w.left, int64(len(zero)))]); err != nil {
			return err
		}
	}
	return nil
}

// finish ends the current member.
func (w *Writer) finish() error {
	if w.err != nil {
		return w.err
	}
	if w.left > 0 {
		return ErrShort
	}
	w.zeros(w.pad)
	w.pad = 0
	return nil
}

// Close ends the archive. It does not close the underlying writer.
func (w *Writer) Close() error {
	if err := w.finish(); err != nil {
		return err
	}
	w.zeros(2 * blockSize)
	// Records of 20 blocks, as tar has always written: some readers of
	// pipes insist.
	const record = 20 * blockSize
	w.zeros(int(-w.n & (blockSize - 1)))
	if rest := int(w.n % record); rest != 0 {
		w.zeros(record - rest)
	}
	return w.flush(true)
}

func (w *Writer) put(p []byte) {
	w.buf = append(w.buf, p...)
	w.n += int64(len(p))
}

func (w *Writer) zeros(n int) {
	var zero [blockSize]byte
	for n > 0 {
		m := min(n, blockSize)
		w.put(zero[:m])
		n -= m
	}
}

func (w *Writer) flush(all bool) error {
	if w.err == nil && (all && len(w.buf) > 0 || len(w.buf) >= flushAt) {
		_, w.err = w.w.Write(w.buf)
		w.buf = w.buf[:0]
	}
	return w.err
}
