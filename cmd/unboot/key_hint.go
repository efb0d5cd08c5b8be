package main

import (
	"fmt"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/volume"
)

// keyExamples are how the option --key goes on after the device, by kinds of keys.
var keyExamples = map[volume.KeyKind]string{
	volume.Passphrase: "key:PASSPHRASE", volume.Recovery: "recovery:PASSWORD", volume.StartupKey: "startup:FILE",
	volume.VolumeKey: "volume:FILE", volume.RootHash: "roothash:HASH",
}

// keyExample returns the option that would open a device, with a word for the secret; "" if
// no key does. That of a tree of hashes is for them, and not for their data beside it.
func keyExample(name string, l *jsonLock, c *jsonContent) string {
	if l == nil || l.Error != "" {
		return ""
	}
	for _, s := range l.Slots {
		data := s.Kind == string(volume.RootHash) && c != nil && c.Type != "DM_verity_hash"
		if how := keyExamples[volume.KeyKind(s.Kind)]; how != "" && !data {
			return "--key " + quote(name+":"+how)
		}
	}
	return ""
}

// keyHint is what to append to an error that no key opened a device: how one is given, and
// which of those that were given are for nothing in the image.
func (o *opened) keyHint() string {
	var hint strings.Builder
	for _, d := range o.img.Devices() {
		if e := keyExample(d.Name, newLock(d.Locked), nil); e != "" {
			fmt.Fprintf(&hint, "\nto open %s: %s", d.Name, e)
		}
	}
	for _, text := range o.keys.unmet(o.img) {
		hint.WriteString("\n" + text)
	}
	return hint.String()
}

// lockedHint is keyHint for what is not found: it may be in what is locked.
func (o *opened) lockedHint() string {
	var hint strings.Builder
	for _, d := range o.img.Devices() {
		if d.Locked != nil {
			fmt.Fprintf(&hint, "\n%v", &unboot.LockedError{Device: d.Name, Lock: d.Locked})
		}
	}
	return hint.String() + o.keyHint()
}
