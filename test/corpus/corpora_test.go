package corpus

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
)

// TestBlkidImages opens util-linux's images of blkid's tests: each is what blkid says, or
// something of which that is a part.
func TestBlkidImages(t *testing.T) {
	page := readPage(t, "util-linux")
	for _, b := range testimg.BlkidImages(t, "images-fs", "low-probe-", 90) {
		if strings.Contains(b.Name, "-multi-") {
			continue // of a session that begins later, which a caller of blkid has to say
		}
		t.Run(b.Name, func(t *testing.T) {
			blkid := "nothing"
			if m := regexp.MustCompile(`(?m)^(?:ID_FS_)?TYPE=(.+)$`).FindStringSubmatch(b.Expected(t)); m != nil {
				blkid = m[1]
			}
			got := look(t, []string{b.Unpack(t)})
			if !strings.HasPrefix(got, blkid) {
				t.Errorf("%s, blkid says %s", got, blkid)
			}
			page.row(t, b.Name, blkid, got)
		})
	}
	page.done(t)
}

// TestBtrfsImages opens the raw images of btrfs-progs' tests, most of them damaged on
// purpose: they are mounted or refused, in bounded time.
func TestBtrfsImages(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute or two")
	}
	testimg.Need(t, "tar", "xz", "btrfs")
	page := readPage(t, "btrfs-progs")
	dir := t.TempDir()
	testimg.MustRun(t, "tar", "-xf", testimg.Source(t, "btrfs-progs"), "-C", dir, "--strip-components=2", "--wildcards", "*/tests/*.raw.xz")
	images, err := filepath.Glob(dir + "/*/*/*.raw.xz")
	if err != nil || len(images) < 60 {
		t.Fatalf("%d images, %v", len(images), err)
	}
	for _, packed := range images {
		name, _ := filepath.Rel(dir, strings.TrimSuffix(packed, ".raw.xz"))
		t.Run(name, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "image")
			testimg.MustRun(t, "sh", "-c", "xz -dc "+packed+" | cp --sparse=always /dev/stdin "+image)
			page.row(t, name, btrfsCheck(t, image), look(t, []string{image}))
		})
	}
	page.done(t)
}

// btrfsCheck says what `btrfs check` makes of an image.
func btrfsCheck(t *testing.T, image string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "btrfs", "check", "--readonly", image).CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return "no error"
	case !ok || ctx.Err() != nil:
		return "does not end"
	case !exit.Exited():
		return "crashes"
	case strings.Contains(string(out), "cannot open file system"):
		return "cannot be opened"
	default:
		return "errors"
	}
}

// TestCryptsetupImages opens the images of cryptsetup's tests by the passphrases that are
// theirs. Those of TrueCrypt and VeraCrypt have no signature: see unboot.TestTrueCrypt.
func TestCryptsetupImages(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute or two")
	}
	testimg.Need(t, "tar", "xz", "cryptsetup")
	page := readPage(t, "cryptsetup")
	dir := t.TempDir()
	testimg.MustRun(t, "tar", "-xf", testimg.Source(t, "cryptsetup"), "-C", dir, "--strip-components=2", "--wildcards", "*/tests/*")
	for _, archive := range []string{"luks1-images", "luks2_mda_images", "luks2_header_requirements", "conversion_imgs", "bitlk-images", "fvault2-images"} {
		testimg.MustRun(t, "tar", "-xf", dir+"/"+archive+".tar.xz", "-C", dir)
	}
	keyfile, err := os.ReadFile(dir + "/luks1-images/keyfile1")
	if err != nil {
		t.Fatal(err)
	}
	var keys []volume.Key
	for _, s := range []string{"compatkey", "blablabl", "albalbal", "heslo123", "anaconda", string(keyfile)} {
		keys = append(keys, volume.Key{Kind: volume.Passphrase, Secret: []byte(s)})
	}
	n := 0
	for _, pattern := range []string{"luks1-images/*.img", "compat*.img.xz", "luks2_*.img*", "luks2_mda_images/*", "luks2_header_requirements/*",
		"evil_hdr-*.xz", "conversion_imgs/*", "blkid-luks2-pv.img.xz", "xfs_512_block_size.img.xz", "bitlk-images/*.img", "fvault2-images/small"} {
		list, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, image := range list {
			name, _ := filepath.Rel(dir, image)
			if strings.HasSuffix(name, ".tar.xz") {
				continue
			}
			n++
			t.Run(name, func(t *testing.T) {
				if strings.HasSuffix(image, ".xz") {
					image = filepath.Join(t.TempDir(), "image")
					testimg.MustRun(t, "sh", "-c", "xz -dc "+filepath.Join(dir, name)+" | cp --sparse=always /dev/stdin "+image)
				}
				page.row(t, strings.TrimSuffix(name, ".xz"), luksDump(t, image), look(t, []string{image}, keys...))
			})
		}
	}
	if n < 60 {
		t.Errorf("%d images", n)
	}
	page.done(t)
}

// luksDump says what cryptsetup finds in the header of an image.
func luksDump(t *testing.T, image string) string {
	t.Helper()
	for _, kind := range []string{"luks", "bitlk", "fvault2"} {
		copied := filepath.Join(t.TempDir(), "image") // it repairs what it reads
		if err := testimg.Copy(image, copied); err != nil {
			t.Fatal(err)
		}
		if exec.Command("cryptsetup", kind+"Dump", copied).Run() == nil {
			return kind + "Dump"
		}
	}
	return "no header"
}
