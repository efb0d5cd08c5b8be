package server

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/inspect/hive"
)

// hivex is the one file of the registry of Windows that programs can have open. The
// procedures are the functions of hivex(3), and so are their numbers for nodes and
// values, of which 0 is none.
type hivex struct {
	h    *hive.Hive
	path string  // where hivex_commit writes
	file *handle // that is read from, or nil if all is in memory
}

// close closes the file. What was not committed is lost.
func (x *hivex) close() {
	if x.file != nil {
		x.file.close()
	}
	*x = hivex{}
}

// release closes a hive that is read from a file, which would keep what is mounted busy.
func (x *hivex) release() {
	if x.file != nil {
		x.close()
	}
}

// openHive returns the open hive.
func (s *Server) openHive(procedure string) (*hive.Hive, error) {
	if s.hivex.h == nil {
		return nil, errorf("do_%s: you must call 'hivex-open' first to initialize the hivex handle", procedure)
	}
	return s.hivex.h, nil
}

// node64 returns a node's handle in the type of package hive. Out of its range there is
// none, as 0 is none.
func node64(n int64) hive.NodeID {
	if n < 0 || n > math.MaxUint32 {
		return 0
	}
	return hive.NodeID(n)
}

func value64(n int64) hive.ValueID { return hive.ValueID(node64(n)) }

// hivexError words an error as the daemon does, with what is wrong with a hive that is
// corrupt.
func hivexError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, hive.ErrCorrupt) && !errors.Is(err, hive.ErrHandle):
		return perrorText(err, "failed: %v", err)
	}
	return perror(err, "failed")
}

// HivexOpen opens a file of the registry. One that is open is closed, without a commit.
func (s *Server) HivexOpen(ctx context.Context, a *rpc.HivexOpenArgs) error {
	s.hivex.close()
	f, err := s.openPath(a.Filename, unix.O_RDONLY, 0)
	if err != nil {
		return perror(err, "hivex failed to open %s", a.Filename)
	}
	var flags hive.Flag
	if a.Write.Or(false) {
		flags |= hive.Write
	}
	if a.Unsafe.Or(false) {
		flags |= hive.Unsafe
	}
	size, err := f.Size()
	if err != nil {
		f.close()
		return perror(err, "hivex failed to open %s", a.Filename)
	}
	h, err := hive.Open(f, size, flags)
	if err != nil {
		f.close()
		s.logf("%s: %v", a.Filename, err)
		return perror(err, "hivex failed to open %s", a.Filename)
	}
	if flags&hive.Write != 0 { // it is in memory
		f.close()
		f = nil
	}
	if why := h.Dirty(); why != "" {
		s.logf("%s was not written to its end: %s", a.Filename, why)
	}
	s.hivex = hivex{h: h, path: a.Filename, file: f}
	return nil
}

// HivexClose closes the hive, without a commit.
func (s *Server) HivexClose(ctx context.Context) error {
	if _, err := s.openHive("hivex_close"); err != nil {
		return err
	}
	s.hivex.close()
	return nil
}

// HivexRoot returns the root node.
func (s *Server) HivexRoot(ctx context.Context) (int64, error) {
	h, err := s.openHive("hivex_root")
	if err != nil {
		return 0, err
	}
	id, err := h.Root()
	return int64(id), hivexError(err)
}

// HivexNodeName returns the name of a node.
func (s *Server) HivexNodeName(ctx context.Context, a *rpc.HivexNodeNameArgs) (string, error) {
	h, err := s.openHive("hivex_node_name")
	if err != nil {
		return "", err
	}
	name, err := h.NodeName(node64(a.Nodeh))
	return name, hivexError(err)
}

// HivexNodeChildren returns the nodes below a node.
func (s *Server) HivexNodeChildren(ctx context.Context, a *rpc.HivexNodeChildrenArgs) ([]rpc.HivexNode, error) {
	h, err := s.openHive("hivex_node_children")
	if err != nil {
		return nil, err
	}
	ids, err := h.Children(node64(a.Nodeh))
	list := make([]rpc.HivexNode, len(ids))
	for i, id := range ids {
		list[i].HivexNodeH = int64(id)
	}
	return list, hivexError(err)
}

// orZero returns a handle, and 0 without an error if there is nothing of that name.
func orZero(id uint32, err error) (int64, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return int64(id), hivexError(err)
}

// HivexNodeGetChild returns the child of a node that has a name, or 0.
func (s *Server) HivexNodeGetChild(ctx context.Context, a *rpc.HivexNodeGetChildArgs) (int64, error) {
	h, err := s.openHive("hivex_node_get_child")
	if err != nil {
		return 0, err
	}
	id, err := h.Child(node64(a.Nodeh), a.Name)
	return orZero(uint32(id), err)
}

// HivexNodeParent returns the parent of a node.
func (s *Server) HivexNodeParent(ctx context.Context, a *rpc.HivexNodeParentArgs) (int64, error) {
	h, err := s.openHive("hivex_node_parent")
	if err != nil {
		return 0, err
	}
	id, err := h.Parent(node64(a.Nodeh))
	return int64(id), hivexError(err)
}

// HivexNodeValues returns the values of a node.
func (s *Server) HivexNodeValues(ctx context.Context, a *rpc.HivexNodeValuesArgs) ([]rpc.HivexValue, error) {
	h, err := s.openHive("hivex_node_values")
	if err != nil {
		return nil, err
	}
	ids, err := h.Values(node64(a.Nodeh))
	list := make([]rpc.HivexValue, len(ids))
	for i, id := range ids {
		list[i].HivexValueH = int64(id)
	}
	return list, hivexError(err)
}

// HivexNodeGetValue returns the value of a node that has a name, or 0.
func (s *Server) HivexNodeGetValue(ctx context.Context, a *rpc.HivexNodeGetValueArgs) (int64, error) {
	h, err := s.openHive("hivex_node_get_value")
	if err != nil {
		return 0, err
	}
	id, err := h.Value(node64(a.Nodeh), a.Key)
	return orZero(uint32(id), err)
}

// HivexCommit writes the hive, into the file that it was opened from if no other is
// named. That file stays the same one, with its owner and attributes.
func (s *Server) HivexCommit(ctx context.Context, a *rpc.HivexCommitArgs) error {
	h, err := s.openHive("hivex_commit")
	if err != nil {
		return err
	}
	path, text := s.hivex.path, "commit failed"
	if a.Filename != nil {
		path, text = *a.Filename, *a.Filename+": commit failed"
		if !strings.HasPrefix(path, "/") {
			return errorf("do_hivex_commit: path must start with a / character")
		}
	}
	if !s.mounted() {
		return errorf("do_hivex_commit: you must call 'mount' first to mount the root filesystem")
	}
	data, err := h.Bytes()
	if err != nil {
		return perror(err, "%s", text)
	}
	f, err := s.openPath(path, unix.O_WRONLY|unix.O_CREAT, s.createPerm())
	if err != nil {
		return perror(err, "%s", text)
	}
	if err = f.replace(data); err != nil {
		err = perror(err, "%s", text)
	}
	return f.closed(err)
}
