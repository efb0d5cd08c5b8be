package part_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/volume/part"
)

// The kernel, whose scanner decides what devices there are, sees in a table what was
// put there.
func TestKernel(t *testing.T) {
	if os.Getenv("UNBOOT_KERNEL") == "" {
		kernel, err := filepath.Abs("../../bin/vmlinux")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(kernel); err != nil {
			t.Skip("no kernel: neither UNBOOT_KERNEL nor bin/vmlinux")
		}
		t.Setenv("UNBOOT_KERNEL", kernel)
	}
	for i := range 30 {
		kind := []string{"gpt", "dos"}[i%2]
		t.Run(fmt.Sprint(i, " ", kind), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(i), 7))
			image := filepath.Join(t.TempDir(), "disk")
			f, err := os.Create(image)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			const size = 256 << 20
			if err := f.Truncate(size); err != nil {
				t.Fatal(err)
			}
			e, err := part.New(kind, size, part.EditOptions{})
			if err != nil {
				t.Fatal(err)
			}
			fill(t, e, r)
			if err := e.Commit(f); err != nil {
				t.Fatal(err)
			}
			table, err := part.Read(f, size, 512)
			if err != nil {
				t.Fatal(err)
			}
			compareKernel(t, image, table)
		})
	}
}

// fill adds partitions, and deletes some.
func fill(t *testing.T, e *part.Editor, r *rand.Rand) {
	t.Helper()
	for n := range 14 {
		spec := part.Spec{Start: -1, Size: (1 + r.Int64N(9)) << 20}
		if e.Type() == "dos" {
			spec.Role = []part.Role{part.Primary, part.Logical, part.Logical}[r.IntN(3)]
			if n == 0 {
				spec.Role, spec.Size = part.Extended, 200<<20
			}
		} else {
			spec.Name = fmt.Sprint("name ", n)
		}
		if free := e.Free(spec.Role); len(free) > 0 && r.IntN(2) == 0 && n > 0 {
			f := free[r.IntN(len(free))]
			spec.Start = f.Start + r.Int64N(f.Size/512)*512
			spec.Size = min(spec.Size, f.Start+f.Size-spec.Start)
		}
		number, err := e.Add(spec)
		if err == nil && n > 3 && r.IntN(4) == 0 {
			if err := e.Delete(number); err != nil {
				t.Error(err)
			}
		}
	}
}

func compareKernel(t *testing.T, image string, table *part.Table) {
	t.Helper()
	img, err := unboot.Open(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	seen := 0
	for _, d := range img.Devices() {
		if d.Partition == nil {
			continue
		}
		seen++
		found := false
		for _, p := range table.Partitions {
			// Of an extended partition, the kernel makes a device for the boot
			// loader only.
			found = found || p.Number == d.Partition.Number && p.Start == d.Partition.Start && (p.Size == d.Size || p.Extended)
		}
		if !found {
			t.Errorf("the kernel has %+v, the table %+v", d, table.Partitions)
		}
	}
	if want := len(table.Partitions); seen != want || want < 3 {
		t.Errorf("the kernel has %d partitions, the table %d", seen, want)
	}
}
