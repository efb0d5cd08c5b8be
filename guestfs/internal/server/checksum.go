package server

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/cksum"
)

// newHash returns the hash of a checksum type, which is that of cksum(1) for "crc".
func newHash(typ string) (hash.Hash, error) {
	switch typ {
	case "crc":
		return cksum.New(), nil
	case "md5":
		return md5.New(), nil
	case "sha1":
		return sha1.New(), nil
	case "sha224":
		return sha256.New224(), nil
	case "sha256":
		return sha256.New(), nil
	case "sha384":
		return sha512.New384(), nil
	case "sha512":
		return sha512.New(), nil
	}
	return nil, errorf("unknown checksum type, expecting crc|md5|sha1|sha224|sha256|sha384|sha512")
}

// Checksum returns the checksum of a file.
func (s *Server) Checksum(ctx context.Context, a *rpc.ChecksumArgs) (string, error) {
	return s.checksum(ctx, a.Csumtype, a.Path)
}

// ChecksumDevice returns the checksum of a device.
func (s *Server) ChecksumDevice(ctx context.Context, a *rpc.ChecksumDeviceArgs) (string, error) {
	return s.checksum(ctx, a.Csumtype, a.Device)
}

func (s *Server) checksum(ctx context.Context, typ, name string) (string, error) {
	sum, err := newHash(typ)
	if err != nil {
		return "", err
	}
	h, err := s.openRead(name)
	if err != nil {
		return "", err
	}
	defer h.close()
	return h.checksum(ctx, sum)
}

// checksum adds the whole file to a new hash. Should the kernel's process change the
// memory meanwhile, the sum is wrong, which it can have in easier ways.
func (h *handle) checksum(ctx context.Context, sum hash.Hash) (string, error) {
	if _, err := h.writeTo(ctx, sum, 0, -1); err != nil {
		return "", perror(err, "read: %s", h.Name())
	}
	if c, ok := sum.(hash.Hash32); ok {
		return strconv.FormatUint(uint64(c.Sum32()), 10), nil
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// ChecksumsOut writes the checksums of all regular files below a directory, a line each,
// as the programs md5sum(1) and the like do.
func (s *Server) ChecksumsOut(ctx context.Context, a *rpc.ChecksumsOutArgs, out io.Writer) error {
	if _, err := newHash(a.Csumtype); err != nil {
		return err
	}
	root, err := s.directory(a.Directory)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 64<<10)
	for e, err := range s.tree().Walk(root, &unboot.WalkOptions{Sorted: true}) {
		if e == nil || ctx.Err() != nil {
			if err == nil {
				err = ctx.Err()
			}
			return err
		}
		if err != nil || !e.Mode().IsRegular() {
			continue
		}
		sum, _ := newHash(a.Csumtype)
		h, err := s.openPath(guestPath(e.Path()), unix.O_RDONLY|unix.O_NOFOLLOW, 0)
		if err != nil {
			return perror(err, "%s", guestPath(e.Path()))
		}
		text, err := h.checksum(ctx, sum)
		size := e.Size()
		h.close()
		if err != nil {
			return err
		}
		name := "./" + below(root, e.Path())
		if a.Csumtype == "crc" {
			fmt.Fprintf(w, "%s %d %s\n", text, size, name)
			continue
		}
		// A name with such characters is quoted, and a backslash before the line says so.
		if strings.ContainsAny(name, "\\\n\r") {
			name = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(name)
			w.WriteByte('\\')
		}
		fmt.Fprintf(w, "%s  %s\n", text, name)
	}
	return w.Flush()
}

// Equal reports whether two files have the same content.
func (s *Server) Equal(ctx context.Context, a *rpc.EqualArgs) (bool, error) {
	f1, err := s.openRead(a.File1)
	if err != nil {
		return false, errorf("%v", err)
	}
	defer f1.close()
	f2, err := s.openRead(a.File2)
	if err != nil {
		return false, errorf("%v", err)
	}
	defer f2.close()
	buf1, buf2 := make([]byte, pieceSize), make([]byte, pieceSize)
	for off := int64(0); ctx.Err() == nil; off += pieceSize {
		n1, err1 := f1.ReadAt(buf1, off)
		n2, err2 := f2.ReadAt(buf2, off)
		switch {
		case err1 != nil && err1 != io.EOF:
			return false, perror(err1, "%s", a.File1)
		case err2 != nil && err2 != io.EOF:
			return false, perror(err2, "%s", a.File2)
		case string(buf1[:n1]) != string(buf2[:n2]):
			return false, nil
		case err1 == io.EOF:
			return true, nil
		}
	}
	return false, ctx.Err()
}
