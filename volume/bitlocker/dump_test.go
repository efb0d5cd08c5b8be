package bitlocker

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume/internal/testdm"
)

// dumpWords are how cryptsetup calls the protectors.
var dumpWords = map[ProtectorType]string{
	ClearKey: "clear key", TPM: "TPM", ExternalKey: "startup key", TPM | PIN: "TPM and PIN",
	RecoveryPassword: "recovery passphrase", SmartCard: "smart card", Password: "passphrase",
}

// dump returns what `cryptsetup bitlkDump` prints, as far as a header has it too.
func dump(meta *metadata) []string {
	h := meta.Header
	cipher, key := h.Method.cipher()
	name, mode, _ := strings.Cut(cipher, "-")
	list := []string{
		fmt.Sprint("Version: ", h.Version), "GUID: " + h.UUID, fmt.Sprintf("Sector size: %d bytes", h.SectorSize),
		fmt.Sprintf("Volume size: %d bytes", h.Encrypted), "Description: " + h.Description,
		"Created: " + h.Created.Format("Mon Jan _2 15:04:05 2006"),
		"Cipher name: " + name, "Cipher mode: " + mode, fmt.Sprintf("Cipher key: %d bits", key*8),
	}
	for _, p := range h.Protectors {
		if p.Name != "" {
			list = append(list, "Name: "+p.Name)
		}
		list = append(list, "GUID: "+p.UUID, "Protection: VMK protected with "+dumpWords[p.Type])
	}
	for _, off := range meta.offsets {
		list = append(list, fmt.Sprintf("Offset: %d bytes", off))
	}
	return append(list, fmt.Sprintf("Offset: %d bytes", meta.headAt), fmt.Sprintf("Size: %d bytes", meta.headSize))
}

// The headers of all of cryptsetup's images are what cryptsetup prints.
func TestDump(t *testing.T) {
	testimg.Need(t, "cryptsetup")
	images, _ := filepath.Glob(filepath.Join(testimg.SourceArchive(t, "cryptsetup", "bitlk-images"), "*.img"))
	if len(images) < 12 {
		t.Fatalf("only %d images", len(images))
	}
	t.Setenv("TZ", "UTC")
	brackets := strings.NewReplacer("[", "", "]", "") // which not all versions have around all units
	space := regexp.MustCompile(`:\s+`)
	for _, path := range images {
		out := testimg.MustRun(t, "cryptsetup", "bitlkDump", path)
		meta, err := read(testdm.Member(t, path))
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
			continue
		}
		text := space.ReplaceAllString(brackets.Replace(out), ": ")
		for _, line := range dump(meta) {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("%s: no %q in\n%s", filepath.Base(path), line, out)
			}
		}
		if n := strings.Count(out, ": VMK\n"); n != len(meta.Protectors) {
			t.Errorf("%s: %d protectors, not %d", filepath.Base(path), len(meta.Protectors), n)
		}
	}
}
