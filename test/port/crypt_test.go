package port

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

// What the processor's instructions decrypt is what the generic code decrypts, and what
// they encrypt it does too.
func TestCrypt(t *testing.T) {
	const size = 1 << 20
	cipherText, plainText := noise(size, 1), noise(size, 2)
	m := newMachine(t, &lkl.Config{})
	drivers := algorithms(m)
	for _, c := range []struct {
		fast, slow string
		key        []int
	}{
		{"capi:xts-aes-ni-plain64", "capi:xts(ecb(aes-generic))-plain64", []int{32, 48, 64}},
		{"capi:xts-aes-vaes-plain64", "capi:xts(ecb(aes-generic))-plain64", []int{32, 48, 64}},
		{"capi:cbc-aes-ni-plain64", "capi:cbc(aes-generic)-plain64", []int{16, 24, 32}},
		{"capi:cbc-aes-ni-essiv:sha256-ni", "capi:cbc(aes-generic)-essiv:sha256-generic", []int{32}},
		{"capi:ecb-aes-ni-null", "capi:ecb(aes-generic)-null", []int{16, 24, 32}},
		{"capi:ctr-aes-ni-plain64", "capi:ctr(aes-generic)-plain64", []int{16, 24, 32}},
		{"capi:lrw(ecb-aes-ni)-benbi", "capi:lrw(ecb(aes-generic))-benbi", []int{32, 48}},
		{"capi:xts(ecb(aes-ni))-plain64", "capi:xts(ecb(aes-generic))-plain64", []int{64}},
	} {
		if driver := regexp.MustCompile(`(xts|cbc|ecb|ctr)-aes-(ni|vaes)`).FindString(c.fast); driver != "" && !drivers[driver] {
			t.Logf("this processor has not what %s needs", driver)
			continue
		}
		for _, n := range c.key {
			for _, options := range []string{"", " 1 sector_size:4096"} {
				disk := m.disk(image(t, cipherText))
				key := noise(n, uint64(n))
				fast := m.must("fast", size, "crypt", c.fast+" $ 0 @ 0"+options, key, disk)
				slow := m.must("slow", size, "crypt", c.slow+" $ 0 @ 0"+options, key, disk)
				if !bytes.Equal(m.read(fast, size), m.read(slow, size)) {
					t.Errorf("%s%s with a key of %d bytes decrypts otherwise than %s", c.fast, options, n, c.slow)
				}
				m.write(fast, plainText)
				m.remove("slow") // and its cache
				slow = m.must("slow", size, "crypt", c.slow+" $ 0 @ 0"+options, key, disk)
				if !bytes.Equal(m.read(slow, size), plainText) {
					t.Errorf("%s%s with a key of %d bytes encrypts otherwise than %s", c.fast, options, n, c.slow)
				}
				m.remove("fast")
				m.remove("slow")
			}
		}
	}
}

// algorithms returns the names of the drivers that the kernel has.
func algorithms(m *machine) map[string]bool {
	list, err := m.k.ReadFile("/proc/crypto", 1<<20)
	rig.Check(m.t, "reading /proc/crypto", err)
	has := make(map[string]bool)
	for _, d := range regexp.MustCompile(`(?m)^driver +: (.*)$`).FindAllSubmatch(list, -1) {
		has[string(d[1])] = true
	}
	return has
}

// dm-integrity finds the tags right that the other implementation of a hash has made, and
// dm-crypt those of AES-GCM.
func TestIntegrity(t *testing.T) {
	const size = 1 << 20
	data := noise(size, 3)
	m := newMachine(t, &lkl.Config{})
	drivers := algorithms(m)
	for _, c := range []struct {
		fast, slow string
		tag        int
	}{
		{"crc32c-sse42", "crc32c-generic", 4},
		{"sha256-ni", "sha256-generic", 32},
		{"sha224-ni", "sha224-generic", 28},
		{"hmac(sha256-ni):" + strings.Repeat("5a", 32), "hmac(sha256-generic):" + strings.Repeat("5a", 32), 32},
	} {
		if !drivers[strings.TrimSuffix(strings.TrimPrefix(strings.Split(c.fast, ":")[0], "hmac("), ")")] {
			t.Logf("this processor has not what %s needs", c.fast)
			continue
		}
		disk := m.disk(image(t, make([]byte, 4<<20)))
		table := func(hash string) string { return fmt.Sprintf("@ 0 %d J 1 internal_hash:%s", c.tag, hash) }
		// The first load of one sector formats the device; its size is then known to fit.
		m.must("tags", 512, "integrity", table(c.fast), nil, disk)
		m.remove("tags")
		m.write(m.must("tags", size, "integrity", table(c.fast), nil, disk), data)
		m.remove("tags")
		if got := m.read(m.must("tags", size, "integrity", table(c.slow), nil, disk), size); !bytes.Equal(got, data) {
			t.Errorf("%s: other data", c.fast)
		}
		m.remove("tags")
	}
	if !drivers["ghash-clmul"] || !drivers["ctr-aes-ni"] {
		t.Skip("this processor has not what ghash-clmul and ctr-aes-ni need")
	}
	disk := m.disk(image(t, make([]byte, 4<<20)))
	m.must("tags", 512, "integrity", "@ 0 28 J 0", nil, disk)
	m.remove("tags")
	tags := m.must("tags", size, "integrity", "@ 0 28 J 0", nil, disk)
	table := func(mode string) string { return "capi:gcm_base(" + mode + ")-random $ 0 @ 0 1 integrity:28:aead" }
	key := noise(32, 4)
	m.write(m.must("gcm", size, "crypt", table("ctr-aes-ni,ghash-clmul"), key, tags.Numbers()), data)
	m.remove("gcm")
	if got := m.read(m.must("gcm", size, "crypt", table("ctr(aes-generic),ghash-generic"), key, tags.Numbers()), size); !bytes.Equal(got, data) {
		t.Error("gcm: other data")
	}
}

// A kernel that was built to test its own algorithms finds all of them right:
// kernel/README.md says how. Others are not asked.
func TestVectors(t *testing.T) {
	m := newMachine(t, &lkl.Config{Cmdline: "loglevel=6"})
	if !strings.Contains(m.k.Dmesg(), "extra crypto tests enabled") {
		t.Skip("for a kernel with CONFIG_CRYPTO_MANAGER_EXTRA_TESTS")
	}
	untested := regexp.MustCompile(`(?s)driver +: ([^\n]*(?:-ni|-vaes|-clmul|-sse42))\n[^\n]*\n[^\n]*\n[^\n]*\nselftest +: unknown`)
	for {
		list, err := m.k.ReadFile("/proc/crypto", 1<<20)
		rig.Check(t, "reading /proc/crypto", err)
		if !untested.Match(list) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if log := m.k.Dmesg(); strings.Contains(log, "failed") {
		t.Error(log)
	}
}
