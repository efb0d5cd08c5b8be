package unboot

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// Linux has no partitions with higher numbers: DISK_MAX_PARTS of linux/blkdev.h.
const maxKernelNumber = 255

// addMissing adds partitions of a GPT that the kernel has not found: those of a
// backup that is used because the primary table is damaged, and those with high numbers.
// have are those that it knows; the result are these and the new ones.
func (img *Image) addMissing(s *scan, have []node) ([]node, error) {
	if s.table == nil || s.table.Type != "gpt" {
		return have, nil
	}
	known := map[int]bool{}
	for _, n := range have {
		known[n.number] = true
	}
	numbers := s.kernelNumbers()
	fd := -1
	for i := range s.table.Partitions {
		p := &s.table.Partitions[i]
		n := numbers[p.Number]
		if n == 0 || known[n] {
			continue
		}
		if fd < 0 {
			var err error
			if fd, err = img.k.Open("/dev/"+s.name, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
				return nil, err
			}
			defer img.k.CloseFd(fd)
		}
		size := min(p.Size, s.size/int64(s.sectorSize)*int64(s.sectorSize)-p.Start)
		if err := blkpg(img.k, fd, unix.BLKPG_ADD_PARTITION, n, extent{p.Start, size}); err != nil {
			s.problem(0, "partition %d: %v", p.Number, err)
		}
	}
	if fd < 0 {
		return have, nil
	}
	nodes, err := img.partitions()
	if err != nil {
		return nil, err
	}
	return nodes[s.name], img.nameStandIns(s)
}

// kernelNumbers maps the numbers of the table's partitions to those that the kernel has
// for them: the same, or for numbers too high free ones from above. What the kernel
// cannot have is left out.
func (s *scan) kernelNumbers() map[int]int {
	numbers := map[int]int{}
	if s.table == nil {
		return numbers
	}
	used := map[int]bool{}
	for i := range s.table.Partitions {
		used[s.table.Partitions[i].Number] = true
	}
	free := maxKernelNumber
	for i := range s.table.Partitions {
		p := &s.table.Partitions[i]
		n := p.Number
		if p.Start >= s.size || p.Size <= 0 {
			continue
		}
		if n > maxKernelNumber {
			for used[free] {
				free--
			}
			if n = free; n <= 0 {
				continue
			}
			free--
		}
		numbers[p.Number] = n
	}
	return numbers
}

// tableNumber returns the table's number of a partition that the kernel has.
func (s *scan) tableNumber(kernel int) int {
	if s.table == nil || len(s.table.Partitions) == 0 || s.table.Partitions[len(s.table.Partitions)-1].Number <= maxKernelNumber {
		return kernel
	}
	for number, n := range s.kernelNumbers() {
		if n == kernel {
			return number
		}
	}
	return kernel
}

// nameStandIns gives the partitions that have another number in the kernel nodes with the
// number of the table.
func (img *Image) nameStandIns(s *scan) error {
	for number, n := range s.kernelNumbers() {
		if number == n {
			continue
		}
		name := "/dev/" + s.name + strconv.Itoa(number)
		if err := img.k.Unlinkat(unix.AT_FDCWD, name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := img.k.Symlinkat(s.name+strconv.Itoa(n), unix.AT_FDCWD, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
