package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/devname"
	"github.com/unboot/unboot/volume"
)

// keyFileEnv names a file with a key for everything that is encrypted, which shows neither
// in a list of processes nor in the history of a shell.
const keyFileEnv = "UNBOOT_KEY_FILE"

// maxKeyFile bounds a key file, in bytes, as cryptsetup(8) does.
const maxKeyFile = 8 << 20

// A keySpec is a key as the option --key gives it: ID[,OPTION...]:KIND:VALUE.
type keySpec struct {
	id     string // a device, a UUID, or "all"
	met    bool   // a device was there that it is for
	params map[string]string
	kind   string
	value  string
	mixed  []string // the key files that are mixed into it
	stream []byte   // what was read of a file that can be read only once, or nil
}

// keyKinds are the kinds of keys and what package volume calls them.
var keyKinds = map[string]volume.KeyKind{
	"key": volume.Passphrase, "file": volume.Passphrase, "recovery": volume.Recovery, "startup": volume.StartupKey,
	"volume": volume.VolumeKey, "roothash": volume.RootHash,
}

// keyFiles are the kinds whose value is the path of a file.
var keyFiles = []string{"file", "startup", "volume"}

// parseKey reads a key as guestfish(1) has it, with more kinds, and with options of
// crypttab(5) after the ID. No message has the key in it.
func parseKey(s string) (keySpec, error) {
	head, kind, value := cutKind(s)
	id, options, _ := strings.Cut(head, ",")
	if kind == "clevis" {
		return keySpec{}, errors.New("a key of the kind clevis needs a server on the network, which unboot does not ask")
	}
	// What stands where a kind is expected may be a passphrase before which it was forgotten.
	if keyKinds[kind] == "" || id == "" {
		return keySpec{}, errors.New("expected ID:KIND:VALUE, with key, file, recovery, startup, volume or roothash as KIND")
	}
	k := keySpec{id: id, kind: kind, value: value, params: map[string]string{}}
	if err := k.addOptions(options); err != nil {
		return keySpec{}, err
	}
	if _, err := k.fileRange(); err != nil {
		return keySpec{}, err
	}
	if _, err := k.hashOffset(); err != nil {
		return keySpec{}, err
	}
	if _, err := hex.DecodeString(k.value); k.kind == "roothash" && err != nil {
		return keySpec{}, errors.New("a root hash consists of hexadecimal digits")
	}
	return k, nil
}

// matches reports whether a key is for a device. "all" stands for what is known to be
// encrypted, and no key is for a device without a signature unless its options say of which
// kind the device is: see keyOptions.
func (k keySpec) matches(d *unboot.Device) bool {
	if d.Content == nil && !k.blind() {
		return false
	}
	if k.id == "all" {
		return d.Content != nil
	}
	if name := k.device(); d.Name == name || slices.Contains(d.Aliases, name) {
		return true
	}
	uuid := strings.TrimPrefix(k.id, "UUID=")
	return d.Content != nil && d.Content.UUID != "" && strings.EqualFold(strings.ReplaceAll(uuid, "-", ""), strings.ReplaceAll(d.Content.UUID, "-", ""))
}

// device returns the path of a device that the ID is, unless it is a UUID.
func (k keySpec) device() string {
	if strings.HasPrefix(k.id, "/") {
		return devname.Canonical(k.id)
	}
	return devname.Canonical("/dev/" + k.id)
}

// keys are the keys of the command line.
type keys struct {
	specs []*keySpec
	stdin bool // --keys-from-stdin

	lines [][]byte // of standard input
	read  bool
}

// options declares --key and what belongs to it.
func (k *keys) options(f *flagSet) {
	f.value("", "key", "ID[,OPTION...]:KIND:VALUE", "open what is encrypted on ID (a device, UUID or all); "+
		"KIND: key, file, recovery, startup, volume, roothash", func(v string) error {
		spec, err := parseKey(v)
		if err == nil {
			err = spec.readStream()
		}
		k.specs = append(k.specs, &spec)
		return err
	}).secret = true
	f.bool(&k.stdin, "", "keys-from-stdin", "read keys from standard input, one in each line")
}

// all returns the keys, in the order in which they are tried.
func (k *keys) all() ([]*keySpec, error) {
	list := slices.Clone(k.specs)
	if path := os.Getenv(keyFileEnv); path != "" {
		list = append(list, &keySpec{id: "all", kind: "file", value: path})
	}
	if k.stdin && !k.read {
		k.read = true
		in := bufio.NewScanner(io.LimitReader(os.Stdin, maxKeyFile))
		for in.Scan() {
			k.lines = append(k.lines, bytes.Clone(in.Bytes()))
		}
		if err := in.Err(); err != nil {
			return nil, fmt.Errorf("reading keys from standard input: %w", err)
		}
	}
	for _, line := range k.lines {
		list = append(list, &keySpec{id: "all", kind: "key", value: string(line)})
	}
	return list, nil
}

// key is what package unboot asks for keys.
func (k *keys) key(d *unboot.Device, try int) (volume.Key, error) {
	list, err := k.all()
	if err != nil {
		return volume.Key{}, err
	}
	for _, spec := range list {
		if !spec.matches(d) {
			continue
		}
		spec.met = true
		secrets, err := spec.secrets()
		if err != nil {
			return volume.Key{}, err
		}
		if try < len(secrets) {
			return volume.Key{Kind: keyKinds[spec.kind], Secret: secrets[try], Params: spec.params}, nil
		}
		try -= len(secrets)
	}
	return volume.Key{}, unboot.ErrNoKey
}

// unmet says of each key that was for none of the image's encrypted devices why that is.
func (k *keys) unmet(img *unboot.Image) (list []string) {
	for _, spec := range k.specs {
		if spec.met || spec.id == "all" {
			continue
		}
		text := "no encrypted device has this name or UUID"
		if d, err := img.Device(spec.device()); err == nil {
			text = d.Name + " is not known to be encrypted"
		}
		list = append(list, fmt.Sprintf("the key for %s was not used: %s", quote(spec.id), text))
	}
	return list
}
