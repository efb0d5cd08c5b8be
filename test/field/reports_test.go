package field

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/rig"
)

const reports = "../../../shared/cases/field"

// A step is a command line for the shell, in which unboot is the program of bin/, in the
// folder of a report's inputs.
type step struct {
	line   string
	status int
	want   string // what it prints, on both outputs, has each of these lines in it
}

// TestReports makes the inputs of public reports and does with them what was reported.
// The scripts of the command line guard the same one by one; here are the inputs as they
// came.
func TestReports(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make the inputs")
	}
	bin, err := filepath.Abs("../../bin")
	rig.Check(t, "abs", err)
	if _, err := os.Stat(bin + "/unboot"); err != nil {
		t.Skip(err)
	}
	for _, r := range []struct {
		script string
		steps  []step
	}{
		{"01-tar-noparent.sh", []step{
			{"unboot tar -x -f a.tar fs.img:/", 0, ""},
			{"unboot find fs.img:/ -type f -printf '%p %s\\n'", 0, "/p131073/q/file 131073\n/p262145/q/file 262145\n/p5000000/q/file 5000000"},
			{"mkdir x; tar -xf a.tar -C x; unboot cp -r fs.img:/. y; diff -r x y -x lost+found", 0, ""},
		}},
		{"02-tar-macos-xattr.sh", []step{
			{"for i in ext4 btrfs minix vfat xfs; do unboot tar -x -f mac.tar $i.img:/ || exit; unboot ls -l $i.img:/f200000 $i.img:/f3000000; done", 0,
				"200000 Jan\n3000000 Jan"},
			{"mkdir x; tar -xf mac.tar -C x 2>/dev/null; for i in ext4 btrfs minix vfat xfs; do unboot cp -r $i.img:/. $i || exit; diff -r x $i -x lost+found || exit; done", 0, ""},
		}},
		{"03-tar-enospc-xattr.sh", []step{
			{"unboot tar -x -f a.tar fs.img:/", 1, "/f3: no space left\n/f4: no space left\n/f5: no space left"},
			{"unboot find fs.img:/ -name 'f*' -size -4000000c", 0, ""},
		}},
		{"04-fat-with-mbr.sh", []step{
			{"for i in fat32-i floppy mbr mformat mformat16 udf; do unboot ls $i.img || exit; done", 0, "f"},
		}},
		{"12-iso-hfs-apm.sh", []step{{"unboot ls ubuntu.iso && unboot ls hfs.iso && unboot ls hfsplus.iso", 0, "boot.catalog\none"}}},
		{"13-gpt-248.sh", []step{{"unboot ls big.img && unboot ls many.img && unboot info many.img", 0, "lost+found\n/dev/sda1000"}}},
		{"14-gpt-damaged.sh", []step{
			{"unboot ls hdr.img && unboot ls ent.img && unboot ls bak.img", 0, "lost+found"},
			{"unboot info hdr.img", 0, "backup"},
		}},
		{"16-ntfs-odd.sh", []step{{"unboot cat n.img:/lone$'\\xed\\xa0\\x80'.txt", 0, "lone"}}},
		{"19-truncated.sh", []step{
			{"unboot ls ext4.img && unboot ls whole.img && unboot ls xfs.img", 0, "first\nare missing, and read as zeros"},
		}},
		{"22-tar-hardlinks.sh", []step{
			{"unboot tar -x -f dirlink.tar fs.img:/", 1, "directory not empty"},
			{"unboot stat fs.img:/d/f && unboot stat fs.img:/e/f", 1, "File: /d/f\nno such file"},
		}},
		{"23-fstab-second-disk.sh", []step{
			{"unboot run -- guestfish --ro -a tmp.img -i mountpoints", 0, "/dev/sda1: /"},
			{"unboot find -m /dev/sda1 tmp.img:/ | sort >before; unboot run -- virt-sysprep -a tmp.img --enable tmp-files; unboot find -m /dev/sda1 tmp.img:/ | sort | diff before -", 0, ""},
		}},
		{"25-cp-rules.sh", []step{
			{"unboot mv fs.img:/src/big fs.img:/src/sub/s/", 1, "not a directory"},
			{"unboot cp myfile fs.img:/src/a/", 1, "not a directory"},
			{"unboot cp myfile fs.img:/d1/new/", 1, "not a directory"},
			{"unboot cp myfile fs.img:/d1/x/", 1, ""},
			{"unboot rm fs.img:/dirlink/", 1, "not a directory"},
			{"unboot cat fs.img:/src/a fs.img:/src/sub/s", 0, "hi\ns"},
		}},
		{"28-btrfs-degraded.sh", []step{{"unboot ls a.img", 0, "degraded\nfile"}}},
		{"29-xfs-odd.sh", []step{{"unboot ls log.img && unboot ls feat.img", 0, "link1000"}}},
		{"36-multi-os.sh", []step{
			{"unboot ls dual.img", 1, "Debian GNU/Linux 12\nUbuntu 24.04"},
			{"echo x | unboot write bootro.img:/boot/x && unboot cat bootro.img:/boot/x", 0, "x"},
		}},
		{"37-fstab-stale-subvolid.sh", []step{
			{"unboot find -m /dev/sda s.img:/ | sort >before; unboot run -- virt-sysprep -a s.img --enable tmp-files; unboot find -m /dev/sda s.img:/ | sort | diff before - | grep -v '/@/tmp/\\|^[0-9]'", 1, ""},
		}},
		{"38-tar-into-links.sh", []step{
			{"unboot tar -x -f wwwfile.tar fs.img:/srv && unboot tar -x -f runfile.tar fs.img:/var && unboot stat fs.img:/var/run fs.img:/srv/www", 0, "/var/run -> /run\n/srv/www -> /var/www"},
			{"mkdir -p ov/var/run; echo p >ov/var/run/p; unboot cp -r ov/var/. fs.img:/var && unboot cat fs.img:/run/p", 0, "p"},
		}},
		{"39-into-fat.sh", []step{
			{"mkdir -p c/Dir c/dir; echo one >c/Makefile; echo two >c/makefile; echo A >c/Dir/a; echo B >c/dir/a; unboot cp -r c/. fat.img:/", 1, "will not overwrite just-created"},
			{"unboot cat fat.img:/Makefile fat.img:/Dir/a", 0, "one\nA"},
		}},
		{"46-odd-sources.sh", []step{
			{"echo text | unboot cp /dev/stdin fs.img:/s; unboot cp <(echo more) fs.img:/p; unboot cat fs.img:/s fs.img:/p", 0, "text\nmore"},
		}},
	} {
		t.Run(r.script, func(t *testing.T) {
			t.Parallel()
			script, err := filepath.Abs(filepath.Join(reports, r.script))
			rig.Check(t, "abs", err)
			if _, err := os.Stat(script); err != nil {
				t.Skip("not beside this checkout: ", err)
			}
			dir := t.TempDir()
			shell := func(line string) (string, int) {
				cmd := exec.Command("bash", "-c", line)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "OUT="+dir, "TMPDIR="+dir, "LC_ALL=C.UTF-8", "PATH="+bin+":"+os.Getenv("PATH"))
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				return string(out), cmd.ProcessState.ExitCode()
			}
			if out, status := shell("bash '" + script + "'"); status != 0 {
				t.Skipf("the inputs cannot be made here: %s", out)
			}
			for _, s := range r.steps {
				out, status := shell(s.line)
				if status != s.status {
					t.Errorf("%s\nends with %d, want %d:\n%s", s.line, status, s.status, out)
				}
				for want := range strings.SplitSeq(s.want, "\n") {
					if !strings.Contains(out, want) {
						t.Errorf("%s\nprints no %q:\n%s", s.line, want, out)
					}
				}
			}
		})
	}
}
