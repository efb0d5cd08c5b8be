package luks

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// slots2 is the number of key slots that cryptsetup has in version 2.
const slots2 = 32

func (w *Writer) format2(ctx context.Context, key, secret []byte, l Layout) error {
	if w.Size < payload2+int64(l.SectorSize) {
		return errors.New("the device is too small")
	}
	kdf, err := w.derivation(2, l.Hash)
	if err != nil {
		return err
	}
	d, err := w.newDigest(ctx, &kdf, l.Hash, key, hashes[l.Hash]().Size())
	if err != nil {
		return err
	}
	keyslots := payload2 - 2*minMetadata
	text := map[string]any{
		"keyslots": map[string]any{},
		"tokens":   map[string]any{},
		"segments": map[string]any{"0": map[string]any{
			"type": "crypt", "offset": strconv.Itoa(payload2), "size": "dynamic", "iv_tweak": "0",
			"encryption": l.Cipher, "sector_size": l.SectorSize,
		}},
		"digests": map[string]any{"0": map[string]any{
			"type": "pbkdf2", "keyslots": []any{}, "segments": []any{"0"}, "hash": d.Hash, "iterations": d.Iterations,
			"salt": base64.StdEncoding.EncodeToString(d.Salt), "digest": base64.StdEncoding.EncodeToString(d.Digest),
		}},
		"config": map[string]any{"json_size": strconv.Itoa(minMetadata - binarySize), "keyslots_size": strconv.Itoa(keyslots)},
	}
	// Old headers, and old keys, are gone before the new one is there.
	if err := w.write(make([]byte, payload2), 0); err != nil {
		return err
	}
	h := &Header{Version: 2, UUID: l.UUID, Label: l.Label, Subsystem: l.Subsystem, MetadataSize: minMetadata, KeyslotsSize: int64(keyslots)}
	if err := w.write2(h, text); err != nil {
		return err
	}
	if h, err = ReadHeader(w.Device, w.Size); err != nil {
		return err
	}
	h.KeySize = l.KeySize
	_, err = w.add2(ctx, h, key, secret, 0)
	return err
}

func (w *Writer) add2(ctx context.Context, h *Header, key, secret []byte, slot int) (int, error) {
	for i := 0; slot < 0 && i < slots2; i++ {
		if h.slot(i) == nil {
			slot = i
		}
	}
	if slot < 0 || slot >= slots2 || h.slot(slot) != nil {
		return -1, fmt.Errorf("there is no unused key slot %d", slot)
	}
	i := slices.IndexFunc(h.Digests, func(d Digest) bool { return slices.Contains(d.Segments, 0) })
	if i < 0 || h.Cipher == "" {
		return -1, errors.New("the data have no key")
	}
	digest := h.Digests[i]
	kdf, err := w.derivation(2, digest.Hash)
	if err != nil {
		return -1, err
	}
	k := &Keyslot{
		ID: slot, Type: "luks2", KeySize: len(key), AF: AF{Stripes: stripes, Hash: digest.Hash}, KDF: kdf,
		Area: Area{Type: "raw", Encryption: h.Cipher, KeySize: len(key), Size: int64(len(key)*stripes+4095) / 4096 * 4096},
	}
	if h.Segments[0].tagSize() > 0 || nullCipher(h.Cipher) {
		// A slot is neither authenticated nor public.
		k.Area.Encryption, k.Area.KeySize = "aes-xts-plain64", 64
	}
	if k.Area.Offset, err = h.room(k.Area.Size); err != nil {
		return -1, err
	}
	if err := w.fill(ctx, k, key, secret); err != nil {
		return -1, err
	}
	return slot, w.change2(h, func(m map[string]any) {
		m["keyslots"].(map[string]any)[strconv.Itoa(slot)] = k.json()
		d := m["digests"].(map[string]any)[strconv.Itoa(digest.ID)].(map[string]any)
		d["keyslots"] = append(d["keyslots"].([]any), strconv.Itoa(slot))
	})
}

// room returns where the area of a new slot fits.
func (h *Header) room(size int64) (int64, error) {
	off, end := 2*h.MetadataSize, 2*h.MetadataSize+h.KeyslotsSize
	areas := slices.Clone(h.Keyslots)
	slices.SortFunc(areas, func(a, b Keyslot) int { return int((a.Area.Offset - b.Area.Offset) / 512) })
	for _, k := range areas {
		if k.Area.Offset-off >= size {
			break
		}
		off = (k.Area.Offset + k.Area.Size + 4095) / 4096 * 4096
	}
	if end-off < size {
		return 0, errors.New("there is no room for another key slot")
	}
	return off, nil
}

// json returns a slot as the header has it.
func (k *Keyslot) json() map[string]any {
	kdf := map[string]any{"type": k.KDF.Type, "salt": base64.StdEncoding.EncodeToString(k.KDF.Salt)}
	if k.KDF.Type == "pbkdf2" {
		kdf["hash"], kdf["iterations"] = k.KDF.Hash, k.KDF.Iterations
	} else {
		kdf["time"], kdf["memory"], kdf["cpus"] = k.KDF.Time, k.KDF.Memory, k.KDF.CPUs
	}
	return map[string]any{
		"type": k.Type, "key_size": k.KeySize, "kdf": kdf,
		"af": map[string]any{"type": "luks1", "stripes": k.AF.Stripes, "hash": k.AF.Hash},
		"area": map[string]any{
			"type": k.Area.Type, "offset": fmt.Sprint(k.Area.Offset), "size": fmt.Sprint(k.Area.Size),
			"encryption": k.Area.Encryption, "key_size": k.Area.KeySize,
		},
	}
}

// forget takes a slot out, and out of what refers to it.
func forget(m map[string]any, slot int) {
	id := strconv.Itoa(slot)
	delete(m["keyslots"].(map[string]any), id)
	for _, kind := range []string{"digests", "tokens"} {
		for _, v := range m[kind].(map[string]any) {
			o := v.(map[string]any)
			o["keyslots"] = slices.DeleteFunc(o["keyslots"].([]any), func(v any) bool { return v == id })
		}
	}
}

// change2 changes the JSON text of the header, and leaves what is not known as it is.
//
// Preconditions: h is what ReadHeader returned, so the text is valid.
func (w *Writer) change2(h *Header, f func(map[string]any)) error {
	off := int64(0)
	if h.Secondary {
		off = h.MetadataSize
	}
	area, err := readAt(w.Device, w.Size, off+binarySize, h.MetadataSize-binarySize)
	if err != nil {
		return err
	}
	d := &decoder{}
	top := d.parse(area)
	if d.err != nil {
		return d.err
	}
	f(top.value)
	return w.write2(h, top.value)
}

// write2 writes both copies of a header, whose sequence number it counts up.
func (w *Writer) write2(h *Header, m map[string]any) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return err
	}
	body := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	if int64(len(body)) >= h.MetadataSize-binarySize {
		return errors.New("the header has no room for that")
	}
	h.Sequence++
	be := binary.BigEndian
	for _, off := range []int64{0, h.MetadataSize} {
		b := make([]byte, h.MetadataSize)
		copy(b, magic)
		if off > 0 {
			copy(b, magicSecond)
		}
		be.PutUint16(b[6:], 2)
		be.PutUint64(b[8:], uint64(h.MetadataSize))
		be.PutUint64(b[16:], h.Sequence)
		copy(b[24:71], h.Label)
		copy(b[72:], "sha256")
		salt, err := w.random(64)
		if err != nil {
			return err
		}
		copy(b[104:168], salt)
		copy(b[168:207], h.UUID)
		copy(b[208:255], h.Subsystem)
		be.PutUint64(b[256:], uint64(off))
		copy(b[binarySize:], body)
		sum := hashes["sha256"]()
		sum.Write(b)
		copy(b[448:], sum.Sum(nil))
		if err := w.write(b, off); err != nil {
			return err
		}
	}
	return nil
}
