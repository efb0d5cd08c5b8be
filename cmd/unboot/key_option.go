package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/unboot/unboot/internal/devname"
)

// keyOptions are the options after the ID of a key, by their names in crypttab(5), or such
// as it might have. Those that are true say of which kind a device is that has no signature.
var keyOptions = map[string]bool{
	"plain": true, "cipher": true, "hash": false, "size": false, "offset": false, "skip": false, "sector-size": false,
	"hash-offset": false, "keyfile-offset": false, "keyfile-size": false, "key-slot": false, "header": true,
	"tcrypt": true, "tcrypt-hidden": true, "tcrypt-system": true, "tcrypt-backup": true, "tcrypt-veracrypt": true,
	"tcrypt-keyfile": true, "veracrypt-pim": true, "integrity-algorithm": false,
}

// cutKind cuts a key into what is before its kind, the kind, and the value. A colon belongs to
// the value of an option, as in cipher=aes-cbc-essiv:sha256, if no kind follows it, and the
// value of the key is what follows the first kind. Without options the kind follows the first
// colon, known or not.
func cutKind(s string) (head, kind, value string) {
	f := strings.Split(s, ":")
	if len(f) < 3 {
		return "", "", ""
	}
	at := 1
	if strings.Contains(f[0], ",") {
		for i := 1; i < len(f)-1; i++ {
			if keyKinds[f[i]] != "" {
				at = i
				break
			}
		}
	}
	return strings.Join(f[:at], ":"), f[at], strings.Join(f[at+1:], ":")
}

// addOptions takes over the options after the ID.
func (k *keySpec) addOptions(list string) error {
	for o := range strings.SplitSeq(list, ",") {
		name, value, given := strings.Cut(o, "=")
		if name == "" {
			continue
		}
		if _, known := keyOptions[name]; !known {
			return fmt.Errorf("%s is not an option of a key: unboot(1) lists them", quote(name))
		}
		switch name {
		case "tcrypt-keyfile":
			if value == "" {
				return fmt.Errorf("%s needs the path of a file", name)
			}
			k.mixed = append(k.mixed, value)
			value = ""
		case "header":
			if !given || value == "" {
				return fmt.Errorf("%s needs a device of the image, or UUID= and that of the header", name)
			}
			value = headerName(value)
		}
		k.params[name] = value
	}
	if len(k.mixed) > 0 && k.kind != "key" && k.kind != "file" {
		return errors.New("tcrypt-keyfile is for a password: a key of the kind key or file")
	}
	return nil
}

// hashOffset is where on the device dm-verity has its hashes, in bytes, as veritytab(5) says
// it; or 0.
func (k keySpec) hashOffset() (int64, error) {
	v, ok := k.params["hash-offset"]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || k.id == "all" {
		return 0, fmt.Errorf("hash-offset=%s is not a number of bytes on a device", v)
	}
	return n, nil
}

// headerName returns the name that the device with a header has in the image.
func headerName(name string) string {
	switch {
	case strings.HasPrefix(strings.ToUpper(name), "UUID="):
		return name
	case strings.HasPrefix(name, "/"):
		return devname.Canonical(name)
	}
	return devname.Canonical("/dev/" + name)
}

// blind reports whether the options say of which kind a device without a signature is.
func (k keySpec) blind() bool {
	for name := range k.params {
		if keyOptions[name] {
			return true
		}
	}
	return false
}

// keysText is what the manual page says of keys.
var keysText = []string{
	"A key is ID[,OPTION...]:KIND:VALUE. ID is a device, the UUID that is on it, or all. VALUE is, for the KIND " +
		"key, a passphrase; file, the path of a file with one, all of whose bytes count, but not the end of its only line; " +
		"recovery, a recovery password of BitLocker; startup, the path of a startup key of BitLocker, or of a folder with some; " +
		"volume, the path of a file with the key of the data itself; roothash, the hash of a dm-verity volume in hexadecimal digits.",
	"The options have the names of crypttab(5): keyfile-offset= and keyfile-size= in bytes; key-slot= and header= of LUKS, the latter " +
		"with a device of the image, such as one from --add; tcrypt, tcrypt-hidden, tcrypt-system, tcrypt-backup, tcrypt-veracrypt=no, " +
		"tcrypt-keyfile= and veracrypt-pim= of VeraCrypt and TrueCrypt; plain, cipher=, size=, hash=, offset=, skip= and sector-size= of " +
		"plain dm-crypt; integrity-algorithm= of dm-integrity; hash-offset= of dm-verity, whose data then lie before it on the same device. VeraCrypt, plain dm-crypt and data whose header is elsewhere " +
		"have no signature: they are looked for only on a device that a key with such an option names.",
	"Keys are tried in their order, then that in the file named by UNBOOT_KEY_FILE in the environment, then those of --keys-from-stdin. " +
		"Without one, a passphrase is asked for on the terminal. A key on the command line can be seen by other users of the machine, as in ps(1).",
}
