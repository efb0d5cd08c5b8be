package hostdir

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	// MaxMessage is the largest message, in bytes: what a client should ask for.
	MaxMessage = 1 << 20

	// minMessage is the smallest that a client may ask for.
	minMessage = 4096

	// firstMessage bounds the one that comes before that.
	firstMessage = 1024

	// maxAhead is how many requests are worked on at once.
	maxAhead = 16

	// maxMemory bounds what the files that a client refers to take, in bytes.
	maxMemory = 192 << 20

	// fidMemory is what each of them takes, besides its name.
	fidMemory = 320

	// version is the only one that is served.
	version = "9P2000.L"
)

// A fid is a file that the client refers to by a number.
type fid struct {
	n     *node
	uid   uint32    // of the user that makes what is made by it, or noUID
	file  *openFile // nil: not open
	xattr *xattr    // nil: not an extended attribute
	cost  int       // of maxMemory
}

// A session is one client.
type session struct {
	d    *Dir
	t    *tree
	r    reader
	size int // of messages
	fids map[uint32]*fid
	used int // of maxMemory

	e encoder // the answer that is being made

	writeErr error // of the first write that failed

	out struct {
		sync.Mutex
		w   io.Writer
		err error
	}

	// Only reads that wait for a disk, and fsync, are worked on besides the other requests,
	// which are done one after the other.
	ahead struct {
		sync.Mutex
		tags    map[uint16]bool     // of these requests, and of the flushes that wait for them
		flushes map[uint16][]uint16 // by the request that they wait for
	}
	slots   chan struct{}
	working sync.WaitGroup
	sending atomic.Int32 // of those, that have not sent all of their answers
}

// Serve serves the directory to one client until it has gone: at the end of r it returns nil, or
// the error of the first write that failed, an *fs.PathError. It has no answers outstanding then,
// and no file open. Any other error is one of r, of w, or says what the client sent that is no
// message.
func (d *Dir) Serve(r io.Reader, w io.Writer) error {
	s, err := d.session(r, w)
	if err != nil {
		return err
	}
	return s.run()
}

// session returns a session that does not need d to be open any more, and is to be run.
func (d *Dir) session(r io.Reader, w io.Writer) (*session, error) {
	t, err := newTree(d.fd, &d.root)
	if err != nil {
		return nil, fmt.Errorf("serve %s: %w", d.name, err)
	}
	s := &session{d: d, t: t, r: reader{r: r, limit: firstMessage}, fids: map[uint32]*fid{}}
	s.out.w = w
	s.ahead.tags, s.ahead.flushes = map[uint16]bool{}, map[uint16][]uint16{}
	s.slots = make(chan struct{}, maxAhead)
	return s, nil
}

// run answers until the client has gone.
func (s *session) run() error {
	defer s.t.close()
	defer s.reset()
	if err := s.serve(); err != nil {
		return fmt.Errorf("serve %s: %w", s.d.name, err)
	}
	return s.writeErr
}

func (s *session) serve() error {
	for {
		m, err := s.r.next()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := s.handle(m); err != nil {
			return err
		}
	}
}

// reset forgets all that the client refers to.
func (s *session) reset() {
	s.working.Wait()
	for number, f := range s.fids {
		s.drop(number, f)
	}
}

// errLater is returned by a handler whose answer comes by itself.
var errLater = errors.New("later")

// A handler decodes and does a request, and encodes its answer. Its error is an errno for the
// client. What it was given is good until it returns.
type handler func(s *session, d *decoder, tag uint16) error

var handlers = [256]handler{
	msgStatfs: (*session).statfs, msgLopen: (*session).lopen, msgLcreate: (*session).lcreate,
	msgSymlink: (*session).symlink, msgMknod: (*session).mknod, msgRename: (*session).rename,
	msgReadlink: (*session).readlink, msgGetattr: (*session).getattr, msgSetattr: (*session).setattr,
	msgXattrwalk: (*session).xattrwalk, msgXattrcreate: (*session).xattrcreate,
	msgReaddir: (*session).readdir, msgFsync: (*session).fsync, msgLock: (*session).lock,
	msgGetlock: (*session).getlock, msgLink: (*session).link, msgMkdir: (*session).mkdir,
	msgRenameat: (*session).renameat, msgUnlinkat: (*session).unlinkat, msgVersion: (*session).version,
	msgAttach: (*session).attach, msgFlush: (*session).flush, msgWalk: (*session).walk,
	msgRead: (*session).read, msgWrite: (*session).write, msgClunk: (*session).clunk,
	msgRemove: (*session).remove,
}

// handle answers a message. Its error is the end of the session.
func (s *session) handle(m []byte) error {
	d := decoder{b: m[4:]}
	kind, tag := d.u8(), d.u16()
	if kind&1 != 0 {
		return fmt.Errorf("a message of kind %d is an answer, not a request", kind)
	}
	if s.busy(tag) {
		return fmt.Errorf("tag %d is in use", tag)
	}
	if s.size == 0 && kind != msgVersion {
		return fmt.Errorf("a message of kind %d before the version is agreed on", kind)
	}
	s.e.reset()
	err := error(unix.EOPNOTSUPP)
	if h := handlers[kind]; h != nil {
		err = h(s, &d, tag)
		if err == errLater {
			return nil
		}
	}
	out := s.e.answer(kind, tag, err)
	// While others are in work, their answers may come at any time, and must not get into
	// this one.
	if s.idle() && s.r.hold(out) {
		return nil
	}
	return s.send(out)
}

// answer makes an answer of what was encoded, or of an error.
func (e *encoder) answer(kind uint8, tag uint16, err error) []byte {
	kind++
	if err != nil {
		errno := unix.EIO
		errors.As(err, &errno)
		e.reset()
		e.u32(uint32(errno))
		kind = msgLerror
	}
	return e.finish(kind, tag)
}

// send sends an answer.
func (s *session) send(m []byte) error {
	s.out.Lock()
	defer s.out.Unlock()
	if s.out.err == nil {
		_, s.out.err = s.out.w.Write(m)
	}
	return s.out.err
}

// idle reports whether all requests but one have their answers.
func (s *session) idle() bool { return s.sending.Load() == 0 }

// busy reports whether a request with a tag has no answer yet.
func (s *session) busy(tag uint16) bool {
	s.ahead.Lock()
	defer s.ahead.Unlock()
	return s.ahead.tags[tag]
}

// later answers a request when f is done, and does the next ones meanwhile.
func (s *session) later(kind uint8, tag uint16, f func(e *encoder) error) error {
	s.slots <- struct{}{}
	s.ahead.Lock()
	s.ahead.tags[tag], s.ahead.flushes[tag] = true, nil
	s.ahead.Unlock()
	s.working.Add(1)
	s.sending.Add(1)
	go func() {
		defer s.working.Done()
		defer s.sending.Add(-1)
		defer func() { <-s.slots }()
		var e encoder
		e.reset()
		err := f(&e)
		// The client may use the tag again as soon as it has the answer, but must not be
		// told that a request is flushed before.
		s.ahead.Lock()
		flushes := s.ahead.flushes[tag]
		delete(s.ahead.flushes, tag)
		for _, t := range append(flushes, tag) {
			delete(s.ahead.tags, t)
		}
		s.ahead.Unlock()
		s.send(e.answer(kind, tag, err))
		for _, tag := range flushes {
			e.reset()
			s.send(e.answer(msgFlush, tag, nil))
		}
	}()
	return errLater
}

// flush answers when the request that it names has been answered: none is broken off.
func (s *session) flush(d *decoder, tag uint16) error {
	old := d.u16()
	if d.bad {
		return unix.EINVAL
	}
	s.ahead.Lock()
	defer s.ahead.Unlock()
	if flushes, ok := s.ahead.flushes[old]; ok {
		s.ahead.flushes[old], s.ahead.tags[tag] = append(flushes, tag), true
		return errLater
	}
	return nil
}

// version begins a session anew.
func (s *session) version(d *decoder, _ uint16) error {
	size, name := d.u32(), d.str()
	if d.bad {
		return unix.EINVAL
	}
	if size < minMessage {
		return unix.EMSGSIZE
	}
	s.reset()
	s.size = int(min(size, MaxMessage))
	s.r.limit = s.size
	s.e.u32(uint32(s.size))
	if name == version {
		s.e.str(version)
	} else {
		s.size, s.r.limit = 0, firstMessage
		s.e.str("unknown")
	}
	return nil
}

// attach makes a fid of the root.
func (s *session) attach(d *decoder, _ uint16) error {
	number, _, _, aname, uid := d.u32(), d.u32(), d.str(), d.str(), d.u32()
	if d.bad {
		return unix.EINVAL
	}
	if aname != "" && aname != "/" {
		return unix.ENOENT
	}
	if err := s.add(number, s.t.root, uid); err != nil {
		return err
	}
	s.t.root.refs++
	s.e.qid(qidOf(&s.d.root))
	return nil
}

// fid returns what a number stands for, when all fields of the message are decoded. EBADF:
// nothing. EINVAL: fields were not there.
func (s *session) fid(d *decoder, number uint32) (*fid, error) {
	if d.bad {
		return nil, unix.EINVAL
	}
	if f := s.fids[number]; f != nil {
		return f, nil
	}
	return nil, unix.EBADF
}

// add makes a fid of a node, to which the caller refers.
func (s *session) add(number uint32, n *node, uid uint32) error {
	if number == noFid || s.fids[number] != nil {
		return unix.EINVAL
	}
	cost := fidMemory + len(n.name)
	if s.used+cost > maxMemory {
		return unix.ENFILE
	}
	s.used += cost
	s.fids[number] = &fid{n: n, uid: uid, cost: cost}
	return nil
}

// drop ends a fid.
func (s *session) drop(number uint32, f *fid) {
	delete(s.fids, number)
	s.used -= f.cost
	if f.file != nil {
		f.file.release()
	}
	s.t.release(f.n)
}

// grow accounts for more memory of a fid.
func (s *session) grow(f *fid, n int) error {
	if s.used+n > maxMemory {
		return unix.ENOMEM
	}
	s.used += n
	f.cost += n
	return nil
}

// clunk ends a fid. That of an extended attribute which was written is set now.
func (s *session) clunk(d *decoder, _ uint16) error {
	number := d.u32()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	defer s.drop(number, f)
	if f.xattr != nil && f.xattr.set {
		return s.setxattr(f)
	}
	return nil
}

// An openFile is a descriptor that reads and writes, of a regular file or a directory. It is
// closed when the fid is gone and nothing works on it any more.
type openFile struct {
	fd     int
	refs   atomic.Int32
	access int // O_RDONLY, O_WRONLY or O_RDWR
	dir    bool
	pos    int64 // of a directory: where it is read next
}

// newOpenFile counts a descriptor among those that are open.
func newOpenFile(fd int, access int, dir bool) *openFile {
	f := &openFile{fd: fd, access: access & unix.O_ACCMODE, dir: dir}
	f.refs.Store(1)
	return f
}

func (f *openFile) acquire() { f.refs.Add(1) }

func (f *openFile) release() {
	if f.refs.Add(-1) == 0 {
		unix.Close(f.fd)
		opened.Add(-1)
	}
}

// reserve takes one of the files that may be open, to be given back by opened.Add(-1).
func reserve() error {
	if opened.Add(1) > maxOpened() {
		opened.Add(-1)
		return unix.ENFILE
	}
	return nil
}
