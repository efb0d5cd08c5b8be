package guestfs

import (
	"bytes"
	"encoding/binary"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// Lists that are too long for a message come as files.

func (g *Guestfs) filesystemWalk(device string) (*[]TSKDirent, error) {
	b, err := g.receive(rpc.ProcInternalFilesystemWalk, &rpc.InternalFilesystemWalkArgs{Device: device})
	if err != nil {
		return nil, err
	}
	return decodeAll(b, codeTSKDirent)
}

func (g *Guestfs) findInode(device string, inode int64) (*[]TSKDirent, error) {
	b, err := g.receive(rpc.ProcInternalFindInode, &rpc.InternalFindInodeArgs{Device: device, Inode: inode})
	if err != nil {
		return nil, err
	}
	return decodeAll(b, codeTSKDirent)
}

func (g *Guestfs) yaraScan(path string) (*[]YaraDetection, error) {
	b, err := g.receive(rpc.ProcInternalYaraScan, &rpc.InternalYaraScanArgs{Path: path})
	if err != nil {
		return nil, err
	}
	return decodeAll(b, codeYaraDetection)
}

// journalGet returns the fields of a journal's entry. Each comes as its length, 8 bytes,
// and NAME=DATA.
func (g *Guestfs) journalGet() (*[]XAttr, error) {
	b, err := g.receive(rpc.ProcInternalJournalGet, nil)
	if err != nil {
		return nil, err
	}
	return decodeJournal(b)
}

func decodeJournal(b []byte) (*[]XAttr, error) {
	l := []XAttr{}
	for len(b) > 0 {
		if len(b) < 8 {
			return nil, errorf(0, "the journal's entry is cut off")
		}
		n := binary.BigEndian.Uint64(b)
		if b = b[8:]; n > uint64(len(b)) {
			return nil, errorf(0, "the journal's entry has a field of %d bytes", n)
		}
		name, data, ok := bytes.Cut(b[:n], []byte("="))
		if !ok {
			return nil, errorf(0, "the journal's entry has a field without a name")
		}
		l = append(l, XAttr{Attrname: string(name), Attrval: data})
		b = b[n:]
	}
	return &l, nil
}
