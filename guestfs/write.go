package guestfs

import (
	"bytes"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// inMessage is how much fits into a message besides a path.
const inMessage = 2 << 20

// write makes a file of content.
func (g *Guestfs) write(path string, content []byte) error {
	if len(content) <= inMessage {
		return g.call(rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: path, Content: content})
	}
	return g.request(&request{
		proc: rpc.ProcUpload, args: &rpc.UploadArgs{Remotefilename: path},
		in: bytes.NewReader(content), hint: uint64(len(content)),
	})
}

// writeAppend adds content at the end of a file.
func (g *Guestfs) writeAppend(path string, content []byte) error {
	for {
		n := min(len(content), inMessage)
		err := g.call(rpc.ProcInternalWriteAppend, &rpc.InternalWriteAppendArgs{Path: path, Content: content[:n]})
		if content = content[n:]; err != nil || len(content) == 0 {
			return err
		}
	}
}
