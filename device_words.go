package unboot

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/lkl"
)

// maxWords is how many errors of disks are remembered.
const maxWords = 16

// wordsPrefix begins what a disk has said, among the lines of the kernel's log.
const wordsPrefix = "disk "

// diskWords are what the devices of disks said last when they failed. The kernel learns no
// more than that there was an I/O error, and not that an image is cut off, or that a server
// has gone.
type diskWords struct {
	mu    sync.Mutex
	words [maxWords]string
	next  uint64
}

// A mark is a place in what the kernel has logged and the disks have said.
type mark struct {
	log   lkl.LogMark
	words uint64
}

// mark returns the place after what is known now.
func (img *Image) mark() mark {
	return mark{img.k.LogMark(), img.words.mark()}
}

// mark returns the place after what was said.
func (w *diskWords) mark() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next
}

// markNow is mark, but asks the kernel, so that a line of a moment ago is before the mark.
func (img *Image) markNow() mark {
	m := img.mark()
	m.log = img.k.LogMarkNow()
	return m
}

// since returns what was said since a mark, each thing once.
func (w *diskWords) since(m mark) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for i := max(m.words, w.next-min(w.next, maxWords)); i < w.next; i++ {
		if s := w.words[i%maxWords]; len(list) == 0 || list[len(list)-1] != s {
			list = append(list, s)
		}
	}
	return list
}

// add adds an error of a disk, at an offset unless that is negative.
func (w *diskWords) add(name, what string, off int64, err error) {
	if err == nil || errors.Is(err, io.EOF) {
		return
	}
	if off >= 0 {
		what = fmt.Sprintf("%s at %d", what, off)
	}
	s := strings.ReplaceAll(err.Error(), "\n", "; ")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.words[w.next%maxWords] = fmt.Sprintf(wordsPrefix+"%s, %s: %s", name, what, s)
	w.next++
}

// A spokenDisk is a disk that is served to the kernel, and whose errors are remembered.
type spokenDisk struct {
	disk.Device
	name  string
	words *diskWords
}

// Unwrap makes it a [disk.Wrapper].
func (d spokenDisk) Unwrap() disk.Device { return d.Device }

func (d spokenDisk) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.Device.ReadAt(p, off)
	if n < len(p) {
		d.words.add(d.name, "read", off, err)
	}
	return n, err
}

func (d spokenDisk) WriteAt(p []byte, off int64) (int, error) {
	n, err := d.Device.WriteAt(p, off)
	d.words.add(d.name, "write", off, err)
	return n, err
}

func (d spokenDisk) Flush() error {
	err := d.Device.Flush()
	d.words.add(d.name, "flush", -1, err)
	return err
}
