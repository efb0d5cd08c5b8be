package netif

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

var config = Config{
	Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.2.15/24"), netip.MustParsePrefix("fd75:6e62:6f6f:74::15/64")},
	Gateways:  []netip.Addr{netip.MustParseAddr("10.0.2.2"), netip.MustParseAddr("fd75:6e62:6f6f:74::2")},
	MTU:       65535,
}

// open boots a kernel that has an interface.
func open(t *testing.T) (*lkl.Kernel, *Interface) {
	t.Helper()
	k, err := lkl.Boot(context.Background(), nil)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Kill)
	i, err := Open(k, config)
	if errors.Is(err, ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k, i
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// echo returns an ICMP echo request from one address to another.
func echo(from, to string, data []byte) []byte {
	b := make([]byte, 28, 28+len(data))
	b[0], b[8], b[9] = 0x45, 64, 1
	binary.BigEndian.PutUint16(b[2:], uint16(cap(b)))
	copy(b[12:], netip.MustParseAddr(from).AsSlice())
	copy(b[16:], netip.MustParseAddr(to).AsSlice())
	binary.BigEndian.PutUint16(b[10:], checksum(b[:20]))
	b[20] = 8
	b = append(b, data...)
	binary.BigEndian.PutUint16(b[22:], checksum(b[20:]))
	return b
}

// reply reads packets until there is one of ICMP.
func reply(t *testing.T, i *Interface) []byte {
	t.Helper()
	b := make([]byte, config.MTU)
	for range 100 {
		n, err := i.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if n > 20 && b[0] == 0x45 && b[9] == 1 {
			return b[:n]
		}
	}
	t.Fatal("no reply among 100 packets")
	return nil
}

// Packets go in and come out, the smallest and the largest, from addresses of the link and
// of elsewhere: so there is a route to all of them.
func TestPackets(t *testing.T) {
	_, i := open(t)
	for _, from := range []string{"10.0.2.2", "10.0.2.200", "192.0.2.1"} {
		for _, size := range []int{0, 2, 1480, 30000, 65506} {
			data := bytes.Repeat([]byte("unboot"), size/6+1)[:size]
			if _, err := i.Write(echo(from, "10.0.2.15", data)); err != nil {
				t.Fatalf("%s, %d bytes: %v", from, size, err)
			}
			b := reply(t, i)
			if len(b) != 28+size || b[20] != 0 || netip.AddrFrom4([4]byte(b[16:])).String() != from || !bytes.Equal(b[28:], data) {
				t.Errorf("%s, %d bytes: %d came back, of type %d", from, size, len(b), b[20])
			}
		}
	}
}

// What the kernel shows of the interface is what it was given.
func TestShown(t *testing.T) {
	k, _ := open(t)
	if err := k.Mkdirat(unix.AT_FDCWD, "/netif-proc", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := k.Mount("proc", "/netif-proc", "proc", 0, ""); err != nil {
		t.Skip("no procfs:", err)
	}
	route, err := k.ReadFile("/netif-proc/self/net/route", 1<<16)
	if err != nil {
		// Only for processes of a PID namespace that is mounted: not for workers, perhaps.
		route, err = k.ReadFile("/netif-proc/1/net/route", 1<<16)
	}
	if err != nil {
		t.Skip(err)
	}
	for _, want := range []string{"eth0\t00000000\t0202000A\t0003", "eth0\t0002000A\t00000000\t0001"} {
		if !strings.Contains(string(route), want) {
			t.Errorf("no %q in\n%s", want, route)
		}
	}
}

// Noise is not taken, and harms nobody.
func TestNoise(t *testing.T) {
	_, i := open(t)
	for _, b := range [][]byte{{}, {0x45}, {0xff}, bytes.Repeat([]byte{0x45}, 100), make([]byte, 65535), bytes.Repeat([]byte{0x60}, 40), echo("10.0.2.2", "10.0.2.15", nil)[:27]} {
		i.Write(b)
	}
	if _, err := i.Write(echo("10.0.2.2", "10.0.2.15", []byte("ok"))); err != nil {
		t.Fatal(err)
	}
	if b := reply(t, i); !bytes.HasSuffix(b, []byte("ok")) {
		t.Errorf("%x", b)
	}
}

// A reader that waits returns when the kernel ends.
func TestKernelEnds(t *testing.T) {
	k, i := open(t)
	done := make(chan error)
	go func() {
		b := make([]byte, config.MTU)
		for {
			if _, err := i.Read(b); err != nil {
				done <- err
				return
			}
		}
	}()
	time.Sleep(10 * time.Millisecond) // it waits, most likely
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, lkl.ErrClosed) {
		t.Error(err)
	}
}

// A kernel whose interface cannot be made says so.
func TestOpenErrors(t *testing.T) {
	k, _ := open(t)
	if _, err := Open(k, config); !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EEXIST) {
		t.Errorf("a second one: %v", err)
	}
	c := config
	c.MTU = lkl.MaxBuffer + 1
	if _, err := Open(k, c); err == nil {
		t.Error("an MTU of 8 MiB")
	}
}
