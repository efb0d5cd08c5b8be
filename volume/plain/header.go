package plain

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume"
)

// A Header is what the key says of a volume.
type Header struct {
	Cipher     string // in the notation of dm-crypt
	Hash       string // "" of a key that is not hashed
	KeySize    int    // in bytes
	Offset     int64  // in sectors of 512 bytes
	Skip       int64  // in sectors of 512 bytes
	SectorSize int    // in bytes
}

// keySizeMax bounds the key, in bytes. The largest of any cipher has 144.
const keySizeMax = 512

// headerOf reads the parameters of a key.
func headerOf(k volume.Key) (*Header, error) {
	h := &Header{Cipher: cipherOf(k.Params["cipher"]), Hash: "ripemd160"}
	if hash := k.Params["hash"]; hash != "" {
		h.Hash = hash
	}
	if k.Kind == volume.VolumeKey {
		h.Hash = ""
	}
	for _, c := range h.Cipher {
		// It becomes a word of a table.
		if c <= ' ' || c > '~' {
			return nil, fmt.Errorf("%q is no cipher", h.Cipher)
		}
	}
	bits, err := number(k, "size", 256, keySizeMax*8)
	if err == nil && (bits == 0 || bits%8 != 0) {
		err = fmt.Errorf("size=%d is no number of bits", bits)
	}
	sector, err2 := number(k, "sector-size", volume.SectorSize, 4096)
	if err2 == nil && (sector < volume.SectorSize || sector&(sector-1) != 0) {
		err2 = fmt.Errorf("sector-size=%d is not 512, 1024, 2048 or 4096", sector)
	}
	var err3, err4 error
	h.Offset, err3 = number(k, "offset", 0, math.MaxInt64/volume.SectorSize)
	h.Skip, err4 = number(k, "skip", 0, math.MaxInt64/volume.SectorSize)
	h.KeySize, h.SectorSize = int(bits/8), int(sector)
	return h, errors.Join(err, err2, err3, err4)
}

// number returns a parameter of a key, or what it is if the key has none.
func number(k volume.Key, name string, otherwise, most int64) (int64, error) {
	s := k.Params[name]
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%s=%s is not a number from 0 to %d", name, s, most)
	}
	return n, nil
}

// cipherOf completes what cryptsetup takes for a cipher: the mode may be left out.
func cipherOf(s string) string {
	name, mode, _ := strings.Cut(s, "-")
	switch {
	case s == "":
		return "aes-cbc-essiv:sha256"
	case strings.HasPrefix(s, "capi:"):
		return s
	case name == "cipher_null" || name == "null":
		return "cipher_null-ecb"
	case mode == "" || mode == "plain":
		return name + "-cbc-plain"
	}
	return s
}

// complete gives the volume its table.
func complete(v *volume.Volume, m *volume.Member, env *volume.Env, k volume.Key) error {
	h, err := headerOf(k)
	if err != nil {
		return err
	}
	v.Info = h
	sectors := m.Size/volume.SectorSize - h.Offset
	if unit := int64(h.SectorSize / volume.SectorSize); sectors > 0 {
		sectors -= sectors % unit
		if h.Skip%unit != 0 {
			return fmt.Errorf("skip=%d is not a multiple of the sectors of %d bytes", h.Skip, h.SectorSize)
		}
	}
	if sectors <= 0 {
		return fmt.Errorf("offset=%d: the device has only %d sectors", h.Offset, m.Size/volume.SectorSize)
	}
	key, err := h.key(k.Secret)
	if err != nil {
		return err
	}
	if env.Decrypt != nil {
		err := env.Decrypt(h.Cipher, key, 0, make([]byte, volume.SectorSize))
		if errors.Is(err, unix.ENOENT) {
			err = fmt.Errorf("the kernel has no cipher %s: %w", h.Cipher, err)
		}
		if err != nil {
			clear(key)
			return err
		}
	}
	options := ""
	if h.SectorSize != volume.SectorSize {
		options = fmt.Sprintf(" 1 sector_size:%d", h.SectorSize)
	}
	v.Size, v.Bases = sectors*volume.SectorSize, nil
	v.Table = []volume.Target{{
		Length: sectors, Type: "crypt",
		Params:  fmt.Sprintf("%s $ %d @ %d%s", h.Cipher, h.Skip, h.Offset, options),
		Devices: []volume.Base{m}, Key: key,
	}}
	return nil
}
