package customize

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/go-crypt/x/crypt"
	"github.com/go-crypt/x/yescrypt"

	"github.com/unboot/unboot/inspect"
)

// cryptoNames are the hashes of passwords, see crypt(5).
var cryptoNames = []string{"md5", "sha256", "sha512", "yescrypt"}

const (
	saltChars = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	// passwordChars are without those that look like others.
	passwordChars = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
)

// randomText returns n characters, each as likely as the others.
func randomText(n int, chars string) string {
	var b strings.Builder
	for range n {
		i, _ := rand.Int(rand.Reader, big.NewInt(int64(len(chars)))) // never fails
		b.WriteByte(chars[i.Int64()])
	}
	return b.String()
}

// hash returns what crypt(3) does of a password, with a salt of its own.
func hash(password, crypto string) (string, error) {
	if strings.ContainsAny(password, "\x00\n\r") {
		return "", errors.New("a password with a NUL byte or a line break")
	}
	salt := randomText(16, saltChars)
	switch crypto {
	case "md5":
		salt = salt[:8]
		return "$1$" + salt + "$" + string(crypt.KeyMD5Crypt([]byte(password), []byte(salt))), nil
	case "sha256":
		return "$5$" + salt + "$" + string(crypt.KeySHACrypt(sha256.New, []byte(password), []byte(salt), 5000)), nil
	case "sha512":
		return "$6$" + salt + "$" + string(crypt.KeySHACrypt(sha512.New, []byte(password), []byte(salt), 5000)), nil
	case "yescrypt":
		// The cost that libxcrypt has for a new password; 144 bits of salt are whole
		// characters.
		var raw [18]byte
		rand.Read(raw[:])
		h, err := yescrypt.Hash([]byte(password), []byte("$y$j9T$"+string(yescrypt.Encode64(raw[:]))+"$"))
		return string(h), err
	}
	return "", fmt.Errorf("no hash %q", crypto)
}

func (p *Plan) passwordCrypto(name string) error {
	if !slices.Contains(cryptoNames, name) {
		return fmt.Errorf("not one of %s", strings.Join(cryptoNames, ", "))
	}
	p.crypto = name
	return nil
}

// A cryptoSince says from which major versions on a distribution's own crypt(3) knows
// SHA-512, and yescrypt; 0 is always, and never is a version that will not be.
type cryptoSince struct{ sha512, yescrypt int }

const never = 1 << 30

var cryptos = map[string]cryptoSince{
	"rhel": {6, 9}, "centos": {6, 9}, "scientificlinux": {6, never}, "oraclelinux": {6, 9}, "rocky": {0, 9},
	"almalinux": {0, 9}, "redhat-based": {6, 9},
	"fedora": {9, 30}, "debian": {5, 11}, "ubuntu": {10, 20}, "linuxmint": {10, 20},
	"opensuse": {11, 15}, "sles": {11, 15}, "archlinux": {}, "kalilinux": {},
}

// defaultCrypto returns the best hash that the guest's programs surely know.
func defaultCrypto(s *inspect.System) string {
	since, ok := cryptos[s.Distro]
	switch {
	// glibc has had SHA-512 since 2007, and musl from its start.
	case !ok, s.Major == 0 && since != cryptoSince{}:
		return "sha512"
	case s.Major >= since.yescrypt:
		return "yescrypt"
	case s.Major >= since.sha512:
		return "sha512"
	}
	return "md5"
}
