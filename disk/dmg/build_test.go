package dmg_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os/exec"
	"strings"
	"testing"

	"github.com/klauspost/compress/zlib"

	"github.com/unboot/unboot/internal/testimg"
)

var be = binary.BigEndian

// The kinds of runs.
const (
	zero    = 0
	stored  = 1
	ignored = 2
	adc     = 0x80000004
	deflate = 0x80000005
	bzip2   = 0x80000006
	lzfse   = 0x80000007
	lzma    = 0x80000008
)

// run is a part of the disk, as it is and as it is stored.
type run struct {
	kind   uint32
	data   []byte
	packed []byte
}

// build makes an image of tables of runs, with a property list, or a resource fork.
func build(plist bool, parts ...[]run) []byte {
	var file []byte
	var blocks [][]byte
	sector, sums := 0, []byte{}
	for _, runs := range parts {
		var body []byte
		first, sum := sector, crc32.NewIEEE()
		for _, r := range runs {
			body = be.AppendUint32(body, r.kind)
			body = be.AppendUint32(body, 0)
			body = be.AppendUint64(body, uint64(sector-first))
			body = be.AppendUint64(body, uint64(len(r.data)/512))
			body = be.AppendUint64(body, uint64(len(file)))
			body = be.AppendUint64(body, uint64(len(r.packed)))
			file = append(file, r.packed...)
			sector += len(r.data) / 512
			if r.kind != ignored {
				sum.Write(r.data)
			}
		}
		end := make([]byte, 40)
		be.PutUint32(end, 0xffffffff)
		body = append(body, end...)
		head := make([]byte, 204)
		copy(head, "mish\x00\x00\x00\x01")
		be.PutUint64(head[8:], uint64(first))
		be.PutUint64(head[16:], uint64(sector-first))
		be.PutUint32(head[64:], 2)
		be.PutUint32(head[68:], 32)
		be.PutUint32(head[72:], sum.Sum32())
		be.PutUint32(head[200:], uint32(len(body)/40))
		sums = sum.Sum(sums)
		blocks = append(blocks, append(head, body...))
	}
	koly := make([]byte, 512)
	copy(koly, "koly\x00\x00\x00\x04\x00\x00\x02\x00")
	be.PutUint64(koly[32:], uint64(len(file)))
	if plist {
		list := propertyList(blocks)
		be.PutUint64(koly[216:], uint64(len(file)))
		be.PutUint64(koly[224:], uint64(len(list)))
		file = append(file, list...)
	} else {
		fork := resourceFork(blocks)
		be.PutUint64(koly[40:], uint64(len(file)))
		be.PutUint64(koly[48:], uint64(len(fork)))
		file = append(file, fork...)
	}
	be.PutUint32(koly[352:], 2)
	be.PutUint32(koly[356:], 32)
	be.PutUint32(koly[360:], crc32.ChecksumIEEE(sums))
	be.PutUint64(koly[492:], uint64(sector))
	return append(file, koly...)
}

func propertyList(blocks [][]byte) string {
	s := `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict><key>resource-fork</key><dict><key>blkx</key><array>`
	for i, b := range blocks {
		text := base64.StdEncoding.EncodeToString(b)
		s += fmt.Sprintf("\n<dict><key>Attributes</key><string>0x0050</string><key>Data</key><data>\n\t%s\n\t%s\n</data><key>ID</key><string>%d</string></dict>", text[:40], text[40:], i)
	}
	return s + `</array><key>plst</key><array><dict><key>Data</key><data>AAAA</data></dict></array></dict></dict></plist>`
}

func resourceFork(blocks [][]byte) []byte {
	data := []byte{}
	types := be.AppendUint16(nil, 0)
	types = append(types, "blkx"...)
	types = be.AppendUint16(types, uint16(len(blocks)-1))
	types = be.AppendUint16(types, 10)
	for i, b := range blocks {
		types = be.AppendUint16(types, uint16(i))
		types = be.AppendUint16(types, 0xffff)
		types = be.AppendUint32(types, uint32(len(data)))
		types = be.AppendUint32(types, 0)
		data = be.AppendUint32(data, uint32(len(b)))
		data = append(data, b...)
	}
	m := make([]byte, 28)
	be.PutUint16(m[24:], 28)
	m = append(m, types...)
	fork := be.AppendUint32(nil, 256)
	fork = be.AppendUint32(fork, uint32(256+len(data)))
	fork = be.AppendUint32(fork, uint32(len(data)))
	fork = be.AppendUint32(fork, uint32(len(m)))
	fork = append(fork, make([]byte, 240)...)
	return append(append(fork, data...), m...)
}

// pack compresses for a kind of runs.
func pack(t testing.TB, kind uint32, data []byte) run {
	t.Helper()
	r := run{kind: kind, data: data}
	switch kind {
	case stored:
		r.packed = data
	case adc:
		r.packed = packADC(data)
	case deflate:
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		w.Write(data)
		w.Close()
		r.packed = b.Bytes()
	case bzip2:
		r.packed = pipe(t, data, "bzip2", "-c")
	case lzma:
		r.packed = pipe(t, data, "xz", "-c")
	case lzfse: // stored blocks, which have their own tests
		b := append([]byte("bvx-"), binary.LittleEndian.AppendUint32(nil, uint32(len(data)))...)
		r.packed = append(append(b, data...), "bvx$"...)
	}
	return r
}

func pipe(t testing.TB, in []byte, args ...string) []byte {
	t.Helper()
	testimg.Need(t, args[0])
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// packADC writes literals, and each kind of match where one byte is repeated.
func packADC(data []byte) (out []byte) {
	for len(data) > 0 {
		near := data[:min(len(data), 100)]
		same := len(near) - len(bytes.TrimLeft(near, string(data[:1])))
		switch n := min(same-1, 67); {
		case data[0] < 0x80 && n >= 20:
			out = append(out, 0x80, data[0], byte(0x40|(n-4)), 0, 0)
			data = data[n+1:]
		case data[0] < 0x80 && n >= 3:
			n = min(n, 18)
			out = append(out, 0x80, data[0], byte((n-3)<<2), 0)
			data = data[n+1:]
		default:
			n := min(len(data), 1+int(data[0])%128)
			out = append(append(out, 0x80|byte(n-1)), data[:n]...)
			data = data[n:]
		}
	}
	return out
}

// disk makes an image whose content is that, of runs of many kinds.
func disk(t testing.TB, content []byte, plist bool, kinds ...uint32) []byte {
	var parts [][]run
	for i := 0; len(content) > 0; i++ {
		n := min(len(content), 512*(1+i*37%500))
		piece := content[:n]
		content = content[n:]
		kind := kinds[i%len(kinds)]
		if strings.Trim(string(piece), "\x00") == "" {
			kind = []uint32{zero, ignored}[i%2]
		}
		if i%7 == 0 {
			parts = append(parts, nil)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], pack(t, kind, piece))
	}
	return build(plist, parts...)
}
