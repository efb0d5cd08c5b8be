package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume/tcrypt"
)

// fileRange is the range of a key file that is the key.
type fileRange struct{ offset, size int64 }

func (k keySpec) fileRange() (r fileRange, err error) {
	for name, n := range map[string]*int64{"keyfile-offset": &r.offset, "keyfile-size": &r.size} {
		if v, ok := k.params[name]; ok {
			if *n, err = strconv.ParseInt(v, 10, 64); err != nil || *n < 0 {
				return r, fmt.Errorf("%s=%s is not a number of bytes", name, v)
			}
		}
	}
	return r, nil
}

// secrets returns the secrets to be tried, with the key files that are mixed into each.
func (k keySpec) secrets() ([][]byte, error) {
	list, err := k.unmixed()
	if err != nil || len(k.mixed) == 0 {
		return list, err
	}
	var files [][]byte
	defer func() {
		for _, b := range files {
			clear(b)
		}
	}()
	for _, path := range k.mixed {
		b, err := readKeyFile(path, fileRange{})
		if err != nil {
			return nil, err
		}
		files = append(files, b)
	}
	for i, secret := range list {
		list[i] = tcrypt.Keyfiles(secret, files...)
		if clear(secret); list[i] == nil {
			return nil, errors.New("the password is longer than those of VeraCrypt")
		}
	}
	return list, nil
}

// unmixed returns the secrets before key files are mixed into them. Of a file these are all
// its bytes, as for cryptsetup, and if it is a line of text, the line without its end, as for
// guestfish, which is likelier.
func (k keySpec) unmixed() ([][]byte, error) {
	switch {
	case k.kind == "roothash":
		b, err := hex.DecodeString(k.value)
		return [][]byte{b}, err
	case !slices.Contains(keyFiles, k.kind):
		return [][]byte{[]byte(k.value)}, nil
	}
	r, err := k.fileRange()
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(k.value); k.kind == "startup" && err == nil && st.IsDir() {
		return startupKeys(k.value)
	}
	data := bytes.Clone(k.stream)
	if data == nil {
		if data, err = readKeyFile(k.value, r); err != nil {
			return nil, err
		}
	}
	if line, ok := bytes.CutSuffix(data, []byte("\n")); ok && k.kind == "file" && r == (fileRange{}) && !bytes.Contains(line, []byte("\n")) {
		return [][]byte{bytes.Clone(line), data}, nil
	}
	return [][]byte{data}, nil
}

// readStream reads a key file that is a pipe or the like, and can be read only once: keys are
// asked for again for each device, and each attempt.
func (k *keySpec) readStream() error {
	st, err := os.Stat(k.value)
	if err != nil || st.Mode().IsRegular() || st.IsDir() || !slices.Contains(keyFiles, k.kind) {
		return nil // an error is that of reading it
	}
	r, err := k.fileRange()
	if err == nil {
		k.stream, err = readKeyFile(k.value, r)
	}
	return err
}

// openKeyFile opens a key file. In a service, the user does.
var openKeyFile = os.Open

// readKeyFile reads a key file, or the range of it that is the key.
func readKeyFile(path string, r fileRange) ([]byte, error) {
	f, err := openKeyFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := int64(maxKeyFile + 1)
	if r.size > 0 {
		size = min(size, r.size)
	}
	if _, err = f.Seek(r.offset, io.SeekStart); errors.Is(err, unix.ESPIPE) {
		_, err = io.CopyN(io.Discard, f, r.offset)
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, size))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxKeyFile:
		return nil, fmt.Errorf("%s: a key file is at most %d bytes long", quote(path), maxKeyFile)
	case r.size > 0 && int64(len(data)) < r.size:
		return nil, fmt.Errorf("%s: it has not the %d bytes of keyfile-size", quote(path), r.size)
	}
	return data, nil
}

// maxStartupKeys bounds the startup keys that are tried of a folder. To try one takes no time.
const maxStartupKeys = 1000

// startupKeys returns the startup keys in a folder, which is what the stick has that Windows
// wants to find when it starts: each says for which volume it is.
func startupKeys(dir string) (list [][]byte, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !strings.EqualFold(filepath.Ext(e.Name()), ".bek") || !e.Type().IsRegular() {
			continue
		}
		if len(list) == maxStartupKeys {
			return nil, fmt.Errorf("%s has more than %d startup keys", quote(dir), maxStartupKeys)
		}
		b, err := readKeyFile(filepath.Join(dir, e.Name()), fileRange{})
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no startup key: no file whose name ends in .BEK", quote(dir))
	}
	return list, nil
}
