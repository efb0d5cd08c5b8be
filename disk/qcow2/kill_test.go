package qcow2

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

const (
	killedImage = "UNBOOT_KILLED_IMAGE"
	killedSeed  = "UNBOOT_KILLED_SEED"

	killedBlocks = 4096
	killedBlock  = 4096 // bytes
)

// killedWrites has do write blocks in an order that depends on a seed, until it fails.
func killedWrites(seed uint64, do func(n uint64, block int64, flush bool) bool) {
	r := rand.New(rand.NewPCG(seed, 5))
	for n := uint64(1); ; n++ {
		if !do(n, r.Int64N(killedBlocks), r.IntN(20) == 0) {
			return
		}
	}
}

// TestKilledWriter is the process that TestKill kills: it writes, and says what it has
// flushed.
func TestKilledWriter(t *testing.T) {
	image := os.Getenv(killedImage)
	if image == "" {
		t.Skip("TestKill starts it")
	}
	seed, _ := strconv.ParseUint(os.Getenv(killedSeed), 10, 64)
	m, err := openWritable(image)
	if err != nil {
		t.Fatal(err)
	}
	killedWrites(seed, func(n uint64, block int64, flush bool) bool {
		b := make([]byte, killedBlock)
		for i := 0; i < len(b); i += 8 {
			be.PutUint64(b[i:], n)
		}
		if _, err := m.WriteAt(b, block*killedBlock); err != nil {
			t.Error(err)
			return false
		}
		if flush {
			if err := m.Flush(); err != nil {
				t.Error(err)
				return false
			}
			if _, err := fmt.Printf("flushed %d\n", n); err != nil {
				return false
			}
		}
		return true
	})
}

// A process that is killed while it writes leaves an image without errors, in which what it
// had flushed is. UNBOOT_PROGRAMS is how many are.
func TestKill(t *testing.T) {
	testimg.Need(t, "qemu-img")
	for i := range testimg.Count(t, 4) {
		o := []disk.CreateOptions{{}, {ClusterSize: 512}, {Version: 2}, {ClusterSize: 2 << 20}}[i%4]
		o.Size = killedBlocks * killedBlock
		t.Run(fmt.Sprint(i), func(t *testing.T) { kill(t, created(t, o), uint64(i)) })
	}
}

func kill(t *testing.T, image string, seed uint64) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
	cmd.Env = append(os.Environ(), killedImage+"="+image, killedSeed+"="+fmt.Sprint(seed))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var flushed uint64
	for left := 1 + rand.New(rand.NewPCG(seed, 6)).IntN(40); left > 0 && lines.Scan(); left-- {
		fmt.Sscanf(lines.Text(), "flushed %d", &flushed)
	}
	cmd.Process.Kill()
	for lines.Scan() {
		fmt.Sscanf(lines.Text(), "flushed %d", &flushed)
	}
	io.Copy(io.Discard, out)
	cmd.Wait()
	if flushed == 0 {
		t.Fatal("nothing was flushed")
	}
	checkKilled(t, image, seed, flushed)
}

// checkKilled looks at what a process has left that said what it had flushed.
func checkKilled(t *testing.T, image string, seed, flushed uint64) {
	raw, err := disk.OpenRaw(image, disk.Options{AnyFormat: true, Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Check(raw, image, disk.RepairLeaks)
	if err != nil || r.Errors != 0 || r.LeaksFixed != r.Leaks {
		t.Errorf("%+v, %v", r, err)
	}
	if err := raw.Close(); err != nil {
		t.Error(err)
	}
	testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "qcow2", image)
	least, all := map[int64]uint64{}, map[int64]map[uint64]bool{}
	killedWrites(seed, func(n uint64, block int64, _ bool) bool {
		if n <= flushed {
			least[block] = n
		}
		if all[block] == nil {
			all[block] = map[uint64]bool{0: true}
		}
		all[block][n] = true
		return n < flushed+100000
	})
	content := readAll(t, open(t, image))
	for off := 0; off < len(content); off += 512 {
		block := int64(off / killedBlock)
		n := be.Uint64(content[off:])
		if n < least[block] || n != 0 && !all[block][n] || !bytes.Equal(content[off:off+504], content[off+8:off+512]) {
			t.Fatalf("the sector at %d has write %d; flushed was %d, and the last one of it %d", off, n, flushed, least[block])
		}
	}
}
