package luks

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/volume"
)

// refused returns an error if the volume cannot be shown whatever its key is.
func (h *Header) refused() error {
	for _, r := range h.Requirements {
		if strings.Contains(r, "-reencrypt") {
			return fmt.Errorf("it is being encrypted anew (%q): let `cryptsetup reencrypt` finish that first", r)
		}
	}
	if len(h.Requirements) > 0 {
		return fmt.Errorf("it requires what is not known: %q", h.Requirements)
	}
	s := h.Segments[0]
	switch {
	case slices.Contains(s.Flags, "in-reencryption"):
		return errors.New("it is being encrypted anew: let `cryptsetup reencrypt` finish that first")
	case len(h.regular()) > 1:
		return fmt.Errorf("its data consist of %d segments", len(h.regular()))
	case strings.HasPrefix(s.Type, "hw-opal"):
		return fmt.Errorf("the disk itself encrypts the data (%q): only that disk can show them", s.Type)
	case s.Type != "crypt":
		return fmt.Errorf("its data are of the type %q, which is not known", s.Type)
	case !plainCipher(s.Encryption):
		return fmt.Errorf("the cipher %q is no cipher's name", s.Encryption)
	case s.SectorSize > 4096 || s.SectorSize&(s.SectorSize-1) != 0:
		return fmt.Errorf("its sectors have %d bytes", s.SectorSize)
	}
	return nil
}

// options are those of dm-crypt that the flags of a header ask for, in the order in which
// the kernel prints them.
var options = []struct{ flag, option string }{
	{"allow-discards", "allow_discards"},
	{"same-cpu-crypt", "same_cpu_crypt"},
	{"high_priority", "high_priority"},
	{"submit-from-crypt-cpus", "submit_from_crypt_cpus"},

	{"no-read-workqueue", "no_read_workqueue"},
	{"no-write-workqueue", "no_write_workqueue"},
}

// crypt returns the target that shows the data, of so many sectors, on the device that has
// them, or on that which keeps their authentication tags. It takes over the key.
func (h *Header) crypt(on volume.Base, key []byte, sectors int64) volume.Target {
	s := h.Segments[0]
	offset := s.Offset / 512
	cipher := s.Encryption
	var opts []string
	tag := s.tagSize()
	for _, o := range options {
		// The tags of what is discarded could not be right.
		if slices.Contains(h.Flags, o.flag) && !(tag > 0 && o.flag == "allow-discards") {
			opts = append(opts, o.option)
		}
	}
	if tag > 0 {
		offset = 0
		var kind string
		cipher, kind = s.authenticated()
		opts = append(opts, fmt.Sprintf("integrity:%d:%s", tag, kind))
	}
	if s.SectorSize != 512 {
		opts = append(opts, fmt.Sprint("sector_size:", s.SectorSize))
	}
	params := fmt.Sprintf("%s $ %d @ %d", cipher, s.IVTweak, offset)
	if len(opts) > 0 {
		params += fmt.Sprintf(" %d %s", len(opts), strings.Join(opts, " "))
	}
	if nullCipher(cipher) {
		clear(key)
		key = nil
	}
	return volume.Target{Length: sectors, Type: "crypt", Params: params, Devices: []volume.Base{on}, Key: key}
}
