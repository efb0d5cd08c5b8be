package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// fuseMounted is a side that works on unboot's mount of an image. The time of mounting and
// unmounting does not count, as with the host's mount; what the server takes of the processors is not
// in user and system, for it is not a child.
func (e *env) fuseMounted(image string, options []string, work func(dir string) (sample, error)) *side {
	return e.ours("unboot mount", func(p programs) (s sample, err error) {
		dir, err := os.MkdirTemp(e.work, "fuse-")
		if err != nil {
			return s, err
		}
		if out, err := exec.Command(p.unboot, append(append([]string{"mount"}, options...), image, dir)...).CombinedOutput(); err != nil {
			return s, fmt.Errorf("unboot mount: %w: %s", err, out)
		}
		defer func() {
			if out, uerr := exec.Command(p.unboot, "umount", dir).CombinedOutput(); uerr != nil {
				err = errors.Join(err, fmt.Errorf("unboot umount: %w: %s", uerr, out))
			}
			os.Remove(dir)
		}()
		return work(dir)
	})
}

// fuseOnCopy is fuseMounted of a copy of the empty image, which can be written to.
func (e *env) fuseOnCopy(work func(dir string) (sample, error)) *side {
	return e.ours("unboot mount", func(p programs) (sample, error) {
		return e.onCopy(func(image string) (sample, error) {
			return e.fuseMounted(image, []string{"--rw"}, work).run()
		})
	})
}

// The benchmarks of the mount by FUSE, against the host's loop mount of the same image. Each is one
// of its own, since they take long.
var mountBenchmarks = []benchmark{
	{"mount-ls", benchMountLs},
	{"mount-find", benchMountFind},
	{"mount-tar", benchMountTar},
	{"mount-read", benchMountRead},
	{"mount-random", benchMountRandom},
	{"mount-write", benchMountWrite},
	{"mount-unpack", benchMountUnpack},
	{"mount-git", benchMountGit},
	{"mount-fuse2fs", benchMountFuse2fs},
	{"mount-guestmount", benchMountGuestmount},
	{"mount-memory", benchMountMemory},
}

func benchMountLs(e *env) ([]row, error) {
	if err := preread(e.share); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(e.work, "fuse-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(dir)
	ours, _, err := e.pairs(20, e.ours("unboot mount", func(p programs) (sample, error) {
		s, err := timed(exec.Command("sh", "-c", `"$0" mount "$1" "$2" && ls "$2"`, p.unboot, e.share, dir))
		if out, uerr := exec.Command(p.unboot, "umount", dir).CombinedOutput(); err == nil && uerr != nil {
			err = fmt.Errorf("%w: %s", uerr, out)
		}
		return s, err
	}), nil)
	if err != nil {
		return nil, err
	}
	return []row{compare("`unboot mount` to the end of the first `ls`", ours, "", nil, 25*time.Millisecond, 0, "strace -f -r unboot mount IMAGE DIR")}, nil
}

func benchMountFind(e *env) ([]row, error) {
	find := func(dir string) (sample, error) { return timed(exec.Command("find", dir, "-printf", format)) }
	ours, theirs, err := e.pairs(5, e.fuseMounted(e.share, nil, find), e.mounted("find", e.share, find))
	if err != nil {
		return nil, err
	}
	return []row{compare("mounted: `find -printf` of 57,000 files", ours, "on the loop mount", theirs, 0, 1.5, "perf record -g -p PID")}, nil
}

func benchMountTar(e *env) ([]row, error) {
	tar := func(dir string) (sample, error) { return drained(exec.Command("tar", "-C", dir, "-cf", "-", ".")) }
	ours, theirs, err := e.pairs(3, e.fuseMounted(e.share, nil, tar), e.mounted("tar", e.share, tar))
	if err != nil {
		return nil, err
	}
	return []row{compare("mounted: GNU tar of 57,000 files, to a pipe", ours, "on the loop mount", theirs, 0, 1.2, "perf record -g -p PID")}, nil
}

func benchMountRead(e *env) ([]row, error) {
	image, err := e.bigImage()
	if err != nil {
		return nil, err
	}
	read := func(dir string) (sample, error) { return timed(exec.Command("cat", dir+"/big")) }
	ours, theirs, err := e.pairs(5, e.fuseMounted(image, nil, read), e.mounted("cat", image, read))
	if err != nil {
		return nil, err
	}
	return []row{compare("mounted: `cat` of 1 GiB to /dev/null", ours, "on the loop mount", theirs, 0, 2, "perf record -g -p PID")}, nil
}

// benchMountRandom: 20,000 reads of 4 KiB by 16 threads at a time, each at another place of a
// file of 1 GiB.
func benchMountRandom(e *env) ([]row, error) {
	image, err := e.bigImage()
	if err != nil {
		return nil, err
	}
	read := func(dir string) (sample, error) {
		f, err := os.Open(dir + "/big")
		if err != nil {
			return sample{}, err
		}
		defer f.Close()
		unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM)
		const threads, reads = 16, 20000
		failed := make([]error, threads)
		start := time.Now()
		var wg sync.WaitGroup
		for i := range threads {
			wg.Go(func() {
				r, buf := rand.New(rand.NewPCG(1, uint64(i))), make([]byte, 4096)
				for range reads / threads {
					if _, err := f.ReadAt(buf, r.Int64N(1<<30/4096)*4096); err != nil && err != io.EOF {
						failed[i] = err
						return
					}
				}
			})
		}
		wg.Wait()
		return sample{wall: time.Since(start)}, errors.Join(failed...)
	}
	ours, theirs, err := e.pairs(5, e.fuseMounted(image, nil, read), e.mounted("random reads", image, read))
	if err != nil {
		return nil, err
	}
	return []row{compare("mounted: 20,000 random reads of 4 KiB, 16 threads", ours, "on the loop mount", theirs, 0, 3.33, "perf record -g -p PID")}, nil
}

func benchMountWrite(e *env) ([]row, error) {
	big, err := e.bigFile()
	if err != nil {
		return nil, err
	}
	write := func(dir string) (sample, error) {
		return from(big, "dd", "of="+dir+"/big", "bs=1M", "conv=fsync", "status=none")
	}
	ours, theirs, err := e.pairs(3, e.fuseOnCopy(write), e.onMountedCopy("dd", write))
	if err != nil {
		return nil, err
	}
	return []row{compare("mounted: `dd conv=fsync` of 1 GiB", ours, "on the loop mount", theirs, 0, 2, "perf record -g -p PID")}, nil
}

func benchMountUnpack(e *env) ([]row, error) {
	archive := filepath.Join(e.work, "mount.tar")
	cmd := exec.Command(e.unboot, "tar", "-o", archive, e.share)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	defer os.Remove(archive)
	unpack := func(dir string) (sample, error) {
		return from(archive, "sh", "-c", `tar -C "$0" -xf - && sync -f "$0"`, dir)
	}
	ours, theirs, err := e.pairs(3, e.fuseOnCopy(unpack), e.onMountedCopy("tar", unpack))
	if err != nil {
		return nil, err
	}
	return []row{compare("mounted: GNU tar unpacks 57,000 files, without the end of the mount", ours, "on the loop mount, and `sync -f`", theirs, 0, 2.5, "perf record -g -p PID")}, nil
}

// benchMountGit: a repository with the files of the image in it, of which a checkout of another
// branch changes one in ten.
func benchMountGit(e *env) ([]row, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, nil
	}
	repository := filepath.Join(e.work, "git.img")
	defer os.Remove(repository)
	if err := e.gitImage(repository); err != nil {
		return nil, err
	}
	git := func(dir string, args ...string) *exec.Cmd {
		return exec.Command("git", append([]string{"-c", "safe.directory=*", "-C", dir}, args...)...)
	}
	status := func(dir string) (sample, error) { return timed(git(dir, "--no-optional-locks", "status", "--short")) }
	ours, theirs, err := e.pairs(3, e.fuseMounted(repository, nil, status), e.mounted("git", repository, status))
	if err != nil {
		return nil, err
	}
	rows := []row{compare("mounted: `git status` of 57,000 files", ours, "on the loop mount", theirs, 0, 2, "perf record -g -p PID")}
	checkout := func(dir string) (sample, error) { return timed(git(dir, "checkout", "-q", "other")) }
	ours, theirs, err = e.pairs(3, e.ours("unboot mount", func(p programs) (sample, error) {
		return e.onCopyOf(repository, func(image string) (sample, error) {
			return e.fuseMounted(image, []string{"--rw"}, checkout).run()
		})
	}), e.onMountedCopyOf(repository, "git", checkout))
	if err != nil {
		return rows, err
	}
	return append(rows, compare("mounted: `git checkout` in a tree of 57,000 files, of which 5,700 differ", ours, "on the loop mount", theirs, 0, 2, "perf record -g -p PID")), nil
}

func (e *env) gitImage(out string) error {
	if err := mke2fs(out, 4<<30, "-N", "300000"); err != nil {
		return err
	}
	dir, umount, err := e.loopMount(out, "rw")
	if err != nil {
		return err
	}
	from, unmount, err := e.loopMount(e.share, "ro")
	if err == nil {
		var text []byte
		text, err = exec.Command("sh", "-c", `cp -r "$0/." "$1" 2>/dev/null; cd "$1" && git init -q && git -c core.compression=0 -c gc.auto=0 add -A . &&
			git() { command git -c user.name=a -c user.email=b -c core.compression=0 -c gc.auto=0 "$@"; } &&
			git commit -qm c && git checkout -qb other &&
			git ls-files -s | awk -F '\t' '/^100/ && !/"$/ && n++ % 10 == 0 { print $2 }' |
				xargs -d '\n' sh -c 'for f; do echo >>"$f"; done' sh &&
			git commit -qam d && git checkout -q -`, from, dir).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("git: %w: %s", err, text)
		}
		err = errors.Join(err, unmount())
	}
	if err = errors.Join(err, umount()); err != nil {
		return err
	}
	return preread(out)
}

// benchMountMemory: what the program and its kernel take while 57,000 files are listed.
func benchMountMemory(e *env) ([]row, error) {
	dir, err := os.MkdirTemp(e.work, "fuse-")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(e.unboot, "mount", "--foreground", e.share, dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		if list, _ := os.ReadDir(dir); len(list) > 0 {
			break
		}
		if try > 1000 {
			return nil, errors.New("not mounted")
		}
		time.Sleep(10 * time.Millisecond)
	}
	_, err = timed(exec.Command("find", dir, "-printf", format))
	self, perr := peak(cmd.Process.Pid)
	kernel := 0
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
	for _, c := range children {
		data, _ := os.ReadFile(c)
		for _, f := range strings.Fields(string(data)) {
			pid, _ := strconv.Atoi(f)
			if n, e := peak(pid); e == nil {
				kernel += n
			}
		}
	}
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	os.Remove(dir)
	if err = errors.Join(err, perr); err != nil {
		return nil, err
	}
	return []row{{
		work: "mounted: memory of the program and of its kernel (VmHWM), 57,000 files listed",
		ours: fmt.Sprintf("%.1f + %.1f MiB", float64(self)/1024, float64(kernel)/1024), target: "≤ 96 MiB", met: judge(self+kernel <= 96<<10),
		hint: "go tool pprof of the heap",
	}}, nil
}

// onServer is a side that works on an image mounted read-only by another server of FUSE.
func (e *env) onServer(work func(dir string) (sample, error), umount []string, mount ...string) *side {
	return &side{name: mount[0], run: func() (s sample, err error) {
		dir, err := os.MkdirTemp(e.work, "fuse-")
		if err != nil {
			return s, err
		}
		cmd := exec.Command(mount[0], append(mount[1:], dir)...)
		cmd.Env = append(os.Environ(), onAppliance...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return s, fmt.Errorf("%s: %w: %s", mount[0], err, out)
		}
		defer func() {
			if out, uerr := exec.Command(umount[0], append(umount[1:], dir)...).CombinedOutput(); uerr != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w: %s", umount[0], uerr, out))
			}
			os.Remove(dir)
		}()
		return work(dir)
	}}
}

// benchMountFuse2fs: the same tree by the server of e2fsprogs.
func benchMountFuse2fs(e *env) ([]row, error) {
	if _, err := exec.LookPath("fuse2fs"); err != nil || os.Geteuid() != 0 {
		return nil, nil
	}
	find := func(dir string) (sample, error) { return timed(exec.Command("find", dir, "-printf", format)) }
	ours, theirs, err := e.pairs(3, e.fuseMounted(e.share, nil, find), e.onServer(find, []string{"umount"}, "fuse2fs", "-o", "ro", e.share))
	if err != nil {
		return nil, err
	}
	return []row{compare("mounted: `find -printf` of 57,000 files", ours, "on `fuse2fs`", theirs, 0, 0.333, "perf record -g -p PID")}, nil
}

// benchMountGuestmount: the time to the first ls by guestmount(1), which starts libguestfs's
// appliance for that, on request.
func benchMountGuestmount(e *env) ([]row, error) {
	if _, err := exec.LookPath("guestmount"); err != nil || !e.appliance {
		return nil, nil
	}
	first := func(argv ...string) func(dir string) (sample, error) {
		return func(dir string) (sample, error) {
			cmd := exec.Command("sh", append([]string{"-c", `"$@" && eval ls '"$'$#'"'`, "sh"}, append(argv, dir)...)...)
			cmd.Env = append(os.Environ(), onAppliance...)
			return timed(cmd)
		}
	}
	side := func(name string, umount []string, argv ...string) *side {
		return &side{name: name, run: func() (s sample, err error) {
			dir, err := os.MkdirTemp(e.work, "fuse-")
			if err != nil {
				return s, err
			}
			defer os.Remove(dir)
			s, err = first(argv...)(dir)
			if out, uerr := exec.Command(umount[0], append(umount[1:], dir)...).CombinedOutput(); err == nil && uerr != nil {
				err = fmt.Errorf("%s: %w: %s", umount[0], uerr, out)
			}
			return s, err
		}}
	}
	ours, theirs, err := e.pairs(1, side("unboot mount", []string{e.unboot, "umount"}, e.unboot, "mount", e.share),
		side("guestmount", []string{"guestunmount"}, "guestmount", "--ro", "-a", e.share, "-m", "/dev/sda"))
	if err != nil {
		return nil, err
	}
	return []row{compare("a mount to the end of the first `ls`", ours, "`guestmount`, emulated", theirs, 0, 0, "")}, nil
}
