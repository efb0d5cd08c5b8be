package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// benchConvert compares with qemu-img(1), whose new image is made stable by sync(1), as that of
// unboot is when its process ends.
func benchConvert(e *env) ([]row, error) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		return nil, err
	}
	dir := filepath.Join(e.work, "convert")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	at := func(name string) string { return filepath.Join(dir, name) }
	big, err := e.bigFile()
	if err != nil {
		return nil, err
	}
	// Programs and texts, which compress as what is on disks does.
	text := at("text.img")
	const megabytes = 512
	for _, argv := range [][]string{
		{"sh", "-c", fmt.Sprintf("(head -c 1M /dev/zero; tar -c -C / usr/lib usr/share 2>/dev/null | head -c %dM) >%s", megabytes-1, text)},
		{"qemu-img", "convert", "-f", "raw", "-O", "qcow2", big, at("big.qcow2")},
		{"qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", text, at("text.qcow2")},
		{"truncate", "-s", "1T", at("empty.img")},
		{"qemu-img", "create", "-q", "-f", "qcow2", at("empty.qcow2"), "1T"},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%v: %w: %s", argv, err, out)
		}
	}
	for _, path := range []string{text, at("big.qcow2"), at("text.qcow2")} {
		if err := settle(path); err != nil {
			return nil, err
		}
		if err := preread(path); err != nil {
			return nil, err
		}
	}
	var rows []row
	for _, c := range []struct {
		work, from, to, format string
		compress               bool
		most                   time.Duration
		ratio                  float64
	}{
		{work: "`unboot convert` of 1 GiB, raw to qcow2, to stable storage", from: big, to: "new.qcow2", format: "qcow2", ratio: 1},
		{work: "the same, qcow2 to raw", from: at("big.qcow2"), to: "new.img", format: "raw", ratio: 1},
		{work: fmt.Sprintf("`unboot convert -c` of %d MiB of files, zlib", megabytes), from: text, to: "new.qcow2", format: "qcow2", compress: true, ratio: 0.4},
		{work: "the same, back to raw", from: at("text.qcow2"), to: "new.img", format: "raw", ratio: 0.5},
		{work: "an empty disk of 1 TiB, raw to qcow2", from: at("empty.img"), to: "new.qcow2", format: "qcow2", most: 100 * time.Millisecond},
		{work: "the same, qcow2 to raw", from: at("empty.qcow2"), to: "new.img", format: "raw", most: 100 * time.Millisecond},
	} {
		to := at(c.to)
		fresh := func(cmd *exec.Cmd) (sample, error) {
			if err := os.RemoveAll(to); err != nil {
				return sample{}, err
			}
			if err := settle(dir); err != nil {
				return sample{}, err
			}
			cmd.Stderr = os.Stderr
			return timed(cmd)
		}
		var options []string
		if c.compress {
			options = []string{"-c"}
		}
		ours := e.ours("unboot", func(p programs) (sample, error) {
			return fresh(exec.Command(p.unboot, append(append([]string{"convert"}, options...), c.from, to)...))
		})
		theirs := &side{name: "qemu-img", run: func() (sample, error) {
			script := `o=$1 f=$2; shift 2; qemu-img convert "$@" -O "$f" "$SRC" "$o" && sync "$o"`
			cmd := exec.Command("sh", append([]string{"-c", script, "sh", to, c.format}, options...)...)
			cmd.Env = append(os.Environ(), "SRC="+c.from)
			return fresh(cmd)
		}}
		a, b, err := e.pairs(5, ours, theirs)
		if err != nil {
			return nil, err
		}
		rows = append(rows, compare(c.work, a, "`qemu-img convert` and `sync`", b, c.most, c.ratio, "go test -run '^$' -bench . ./internal/compression/inflate"))
	}
	return rows, nil
}
