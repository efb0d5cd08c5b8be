package matrix

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// TestResized changes the size of files that are not synced: they grow out of what
// an inode can hold itself, and are cut again, and get holes.
func TestResized(t *testing.T) {
	for _, w := range writables {
		if strings.Contains(w.name, "-") {
			continue // variants
		}
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			images := w.images(t)
			want := map[string][]byte{}
			w.mounted(t, images, 0, func(k *lkl.Kernel, dir string) {
				s := ours{&k.View}
				r := &runner{t, s, dir, w.caps}
				for _, size := range []int{1, 494, 700, 1500, 4096, 5000} {
					for _, up := range []int{600, 4096, 9000} {
						for _, down := range []int{300, 1472, 4500} {
							for _, hole := range []bool{false, true} {
								if hole && !w.caps.punch {
									continue
								}
								name := fmt.Sprintf("f%d-%d-%d-%v", size, up, down, hole)
								data := testimg.Pattern(size, uint64(size))
								r.file(name, data)
								r.with(name, unix.O_RDWR, func(fd int) {
									for _, to := range []int{up, down, up} {
										r.must("truncate", s.Ftruncate(fd, int64(to)))
										data = append(data[:min(to, len(data)):min(to, len(data))], make([]byte, max(0, to-len(data)))...)
									}
									if hole {
										r.must("punch", s.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 100, 100))
										clear(data[100:200])
									}
								})
								want[name] = data
							}
						}
					}
				}
				checkVaried(t, "written", s, dir, want)
			})
			w.mounted(t, images, unix.MS_RDONLY, func(k *lkl.Kernel, dir string) {
				checkVaried(t, "mounted again", ours{&k.View}, dir, want)
			})
			testimg.Fsck(t, w.fstype, images[0])
		})
	}
}

// TestAppend: O_APPEND writes at the end, wherever the offset is.
func TestAppend(t *testing.T) {
	for _, w := range writables {
		if strings.Contains(w.name, "-") {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			w.mounted(t, w.images(t), 0, func(k *lkl.Kernel, dir string) {
				s := ours{&k.View}
				r := &runner{t, s, dir, w.caps}
				r.file("f", []byte("start"))
				r.with("f", unix.O_RDWR|unix.O_APPEND, func(fd int) {
					for _, off := range []int64{0, 3, 5000, 100_000} {
						_, err := s.Seek(fd, off, unix.SEEK_SET)
						r.must("seek", err)
						_, err = s.Write(fd, []byte("+end"))
						r.must("write", err)
					}
				})
				checkVaried(t, "appended", s, dir, map[string][]byte{"f": []byte("start+end+end+end+end")})
			})
		})
	}
}
