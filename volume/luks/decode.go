package luks

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Bounds on what a header has of each kind. cryptsetup has 32 key slots and tokens.
const (
	maxObjects = 1024
	maxNames   = 64
)

// decode sets the parts of a header from its JSON text.
func (h *Header) decode(area []byte) error {
	d := &decoder{}
	top := d.parse(area)
	if d.err != nil {
		return d.err
	}
	keyslots, segments := top.object("keyslots"), top.object("segments")
	tokens, digests, config := top.object("tokens"), top.object("digests"), top.object("config")
	for _, o := range []object{keyslots, segments, tokens, digests} {
		if len(o.value) > maxObjects {
			d.fail("%s has more than %d members", o.path, maxObjects)
		}
	}
	if d.err != nil {
		return d.err
	}
	h.decodeConfig(config)
	tokens.numbered(func(id int, o object) { h.Tokens = append(h.Tokens, decodeToken(id, o, keyslots)) })
	digests.numbered(func(id int, o object) { h.Digests = append(h.Digests, decodeDigest(id, o, keyslots, segments)) })
	segments.numbered(func(id int, o object) { h.Segments = append(h.Segments, decodeSegment(id, o)) })
	keyslots.numbered(func(id int, o object) { h.Keyslots = append(h.Keyslots, decodeKeyslot(id, o)) })
	if d.err != nil {
		return d.err
	}
	return errors.Join(h.checkConfig(), h.checkSegments(), h.checkKeyslots())
}

func (h *Header) decodeConfig(o object) {
	if n := o.bytes("json_size"); n != h.MetadataSize-binarySize {
		o.d.fail("the JSON text says that it has %d bytes", n)
	}
	h.KeyslotsSize = o.bytes("keyslots_size")
	h.Flags = o.texts("flags", true)
	if o.has("requirements") {
		h.Requirements = o.object("requirements").texts("mandatory", true)
	}
	if len(h.Flags) > maxNames || len(h.Requirements) > maxNames {
		o.d.fail("%s has more than %d flags or requirements", o.path, maxNames)
	}
}

func decodeToken(id int, o object, keyslots object) Token {
	t := Token{ID: id, Type: o.text("type"), Keyslots: o.ids("keyslots", keyslots)}
	t.JSON, _ = json.Marshal(o.value)
	return t
}

func decodeDigest(id int, o object, keyslots, segments object) Digest {
	d := Digest{ID: id, Type: o.text("type"), Keyslots: o.ids("keyslots", keyslots), Segments: o.ids("segments", segments)}
	if d.Type == "pbkdf2" {
		d.Hash, d.Iterations = o.text("hash"), o.integer("iterations", math.MaxUint32)
		d.Salt, d.Digest = o.base64("salt"), o.base64("digest")
	}
	return d
}

func decodeSegment(id int, o object) Segment {
	s := Segment{ID: id, Type: o.text("type"), Offset: o.bytes("offset"), Size: -1, Flags: o.texts("flags", true)}
	if o.text("size") != "dynamic" {
		// A size up to 2^64 is allowed; what is not on the device is found out later.
		s.Size = int64(min(o.uint64("size"), math.MaxInt64&^511))
		if s.Size == 0 {
			o.d.fail("%s is empty", o.path)
		}
	}
	if s.Offset%512 != 0 || s.Size > 0 && s.Size%512 != 0 {
		o.d.fail("%s does not consist of sectors", o.path)
	}
	if s.Type != "crypt" {
		return s
	}
	s.Encryption, s.IVTweak = o.text("encryption"), o.uint64("iv_tweak")
	s.SectorSize = int(o.integer("sector_size", math.MaxInt32))
	if s.SectorSize == 0 || s.SectorSize%512 != 0 || s.Size > 0 && s.Size%int64(s.SectorSize) != 0 {
		o.d.fail("%s has sectors of %d bytes", o.path, s.SectorSize)
	}
	if o.has("integrity") {
		i := o.object("integrity")
		s.Integrity = i.text("type")
		s.JournalEncryption, s.JournalIntegrity = i.text("journal_encryption"), i.text("journal_integrity")
	}
	return s
}

func decodeKeyslot(id int, o object) Keyslot {
	k := Keyslot{ID: id, Type: o.text("type"), KeySize: int(o.integer("key_size", math.MaxInt32)), Priority: Normal}
	area := o.object("area")
	k.Area = Area{Type: area.text("type"), Offset: area.bytes("offset"), Size: area.bytes("size")}
	if o.has("priority") {
		k.Priority = int(o.integer("priority", Prefer))
	}
	if k.Type != "luks2" {
		return k
	}
	if k.Area.Type != "raw" {
		o.d.fail("%s has the type %q", area.path, k.Area.Type)
	}
	k.Area.Encryption, k.Area.KeySize = area.text("encryption"), int(area.integer("key_size", math.MaxInt32))
	af := o.object("af")
	if t := af.text("type"); t != "luks1" {
		o.d.fail("%s has the type %q", af.path, t)
	}
	k.AF = AF{Stripes: int(af.integer("stripes", math.MaxInt32)), Hash: af.text("hash")}
	kdf := o.object("kdf")
	k.KDF = KDF{Type: kdf.text("type"), Salt: kdf.base64("salt")}
	switch k.KDF.Type {
	case "pbkdf2":
		k.KDF.Hash, k.KDF.Iterations = kdf.text("hash"), kdf.integer("iterations", math.MaxUint32)
	case "argon2i", "argon2id":
		k.KDF.Time, k.KDF.Memory = kdf.integer("time", math.MaxUint32), kdf.integer("memory", math.MaxUint32)
		k.KDF.CPUs = kdf.integer("cpus", math.MaxUint32)
	}
	return k
}

// checkConfig holds the sizes of the areas against each other.
func (h *Header) checkConfig() error {
	if n := h.MetadataSize; n&(n-1) != 0 {
		return fmt.Errorf("a header of %d bytes", n)
	}
	if h.KeyslotsSize%4096 != 0 || h.KeyslotsSize > maxKeyslots {
		return fmt.Errorf("an area of %d bytes for the key slots", h.KeyslotsSize)
	}
	online := 0
	for _, r := range h.Requirements {
		if strings.HasPrefix(r, "online-reencrypt") {
			online++
		}
	}
	if online > 1 {
		return errors.New("more than one requirement of reencryption")
	}
	for _, s := range h.regular() {
		// Data at offset 0 are those of a header that is detached.
		if s.Offset > 0 && s.Offset < 2*h.MetadataSize+h.KeyslotsSize {
			return fmt.Errorf("segment %d lies in the header", s.ID)
		}
	}
	return nil
}

// checkSegments has segments that are numbered without gaps, notes last, without overlaps.
func (h *Header) checkSegments() error {
	var list []extent
	for i, s := range h.Segments {
		switch {
		case s.ID != i:
			return fmt.Errorf("there is no segment %d", i)
		case s.backup():
		case i > 0 && h.Segments[i-1].backup():
			return fmt.Errorf("segment %d follows notes of reencryption", i)
		case s.Size < 0 && i+1 < len(h.Segments) && !h.Segments[i+1].backup():
			return fmt.Errorf("segment %d has no size, and is not the last", i)
		default:
			size := s.Size
			if size < 0 || size > math.MaxInt64-s.Offset {
				size = math.MaxInt64 - s.Offset
			}
			list = append(list, extent{fmt.Sprint("segment ", i), s.Offset, size})
		}
		if s.Type == "crypt" && !slices.ContainsFunc(h.Digests, func(d Digest) bool { return slices.Contains(d.Segments, s.ID) }) {
			return fmt.Errorf("segment %d has no digest", i)
		}
	}
	if len(list) == 0 {
		return errors.New("there are no segments")
	}
	return checkExtents(list, 0, math.MaxInt64)
}

// checkKeyslots has each slot with one digest and an area of its own.
func (h *Header) checkKeyslots() error {
	var list []extent
	for _, k := range h.Keyslots {
		list = append(list, extent{fmt.Sprint("key slot ", k.ID), k.Area.Offset, k.Area.Size})
		n := 0
		for _, d := range h.Digests {
			if slices.Contains(d.Keyslots, k.ID) {
				n++
			}
		}
		if k.Type == "luks2" && n != 1 {
			return fmt.Errorf("key slot %d has %d digests", k.ID, n)
		}
	}
	return checkExtents(list, 2*h.MetadataSize, 2*h.MetadataSize+h.KeyslotsSize)
}
