package fsctl

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// The ioctls of linux/fs.h. Those with a long in their number take 32 bits all the same.
const (
	fsIocGetflags    = 0x80086601
	fsIocSetflags    = 0x40086602
	fsIocGetversion  = 0x80087601
	fsIocSetversion  = 0x40087602
	fsIocSetfslabel  = 0x41009432
	fitrim           = 0xc0185879
	labelMax         = 256 // FSLABEL_MAX, with a NUL
	flagsArgumentLen = 8
)

// Flags are the attributes of a file, as FS_IMMUTABLE_FL and others of linux/fs.h.
type Flags uint32

// FlagCaseFold is that of a directory whose names have no case: FS_CASEFOLD_FL.
const FlagCaseFold Flags = 0x40000000

// letters are those of lsattr(1) and chattr(1), sorted, with their bits.
var letters = []struct {
	letter byte
	bit    Flags
}{
	{'A', 0x80},
	{'C', 0x800000},
	{'D', 0x10000},
	{'E', 0x800},
	{'F', FlagCaseFold},
	{'I', 0x1000},
	{'N', 0x10000000},
	{'P', 0x20000000},
	{'S', 0x8},
	{'T', 0x20000},
	{'V', 0x100000},
	{'a', 0x20},
	{'c', 0x4},
	{'d', 0x40},
	{'e', 0x80000},
	{'i', 0x10},
	{'j', 0x4000},
	{'s', 0x1},
	{'t', 0x8000},
	{'u', 0x2},
	{'x', 0x2000000},
}

// String returns the letters of chattr(1), sorted.
func (f Flags) String() string {
	var b []byte
	for _, l := range letters {
		if f&l.bit != 0 {
			b = append(b, l.letter)
		}
	}
	return string(b)
}

// FlagOf returns the flag of a letter of chattr(1), or 0 if there is none.
func FlagOf(letter byte) Flags {
	for _, l := range letters {
		if l.letter == letter {
			return l.bit
		}
	}
	return 0
}

// number makes an ioctl that answers with 32 bits.
func (f File) number(req uint) (uint32, error) {
	arg := make([]byte, flagsArgumentLen)
	_, err := f.View.Ioctl(f.FD, req, arg)
	return binary.NativeEndian.Uint32(arg), err
}

func (f File) setNumber(req uint, v uint32) error {
	arg := make([]byte, flagsArgumentLen)
	binary.NativeEndian.PutUint32(arg, v)
	_, err := f.View.Ioctl(f.FD, req, arg)
	return err
}

// Flags returns the attributes of a file (FS_IOC_GETFLAGS).
func (f File) Flags() (Flags, error) {
	n, err := f.number(fsIocGetflags)
	return Flags(n), err
}

// SetFlags sets the attributes of a file (FS_IOC_SETFLAGS).
func (f File) SetFlags(flags Flags) error { return f.setNumber(fsIocSetflags, uint32(flags)) }

// Version returns the version, or generation, of a file (FS_IOC_GETVERSION).
func (f File) Version() (uint32, error) { return f.number(fsIocGetversion) }

// SetVersion sets the version of a file (FS_IOC_SETVERSION).
func (f File) SetVersion(v uint32) error { return f.setNumber(fsIocSetversion, v) }

// SetLabel sets the label of the file system (FS_IOC_SETFSLABEL), of at most 255 bytes. How
// many a file system takes is its own matter: the error is EINVAL.
func (f File) SetLabel(label string) error {
	arg := make([]byte, labelMax)
	if len(label) >= labelMax {
		return unix.EINVAL
	}
	copy(arg, label)
	_, err := f.View.Ioctl(f.FD, fsIocSetfslabel, arg)
	return err
}

// ErrNoDiscard is the error of a file system, or of its device, that cannot discard. It is
// EOPNOTSUPP.
var ErrNoDiscard error = noDiscard{}

type noDiscard struct{}

func (noDiscard) Error() string { return "the discard operation is not supported" }
func (noDiscard) Unwrap() error { return unix.EOPNOTSUPP }

// ToEnd is the length of a [TrimRange] that goes to the end of the file system.
const ToEnd = ^uint64(0)

// A TrimRange is what of a file system is trimmed, in bytes.
type TrimRange struct {
	Start, Length uint64
	MinLength     uint64 // of a free extent
}

// Trim discards what is free of a file system, as fstrim(8), and returns how many bytes
// that was (FITRIM). What was deleted a moment ago is free once that is on the device.
func (f File) Trim(r TrimRange) (uint64, error) {
	arg := Words(24, r.Start, r.Length, r.MinLength)
	_, err := f.View.Ioctl(f.FD, fitrim, arg)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) {
		err = ErrNoDiscard
	}
	if err != nil {
		return 0, err
	}
	return binary.NativeEndian.Uint64(arg[8:]), nil
}
