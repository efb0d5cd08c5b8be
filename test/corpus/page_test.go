package corpus

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

const (
	pagePath  = "../../docs/volumes.md"
	updateEnv = "UNBOOT_UPDATE_VOLUMES"
)

// A page is the table of a corpus in docs/volumes.md: below a heading with the archive's
// name.
type page struct {
	corpus, archive string
	same            bool // it is of the archive that there is
	want            map[string]string
	mu              sync.Mutex
	got             []string // guarded by mu
}

// readPage reads the table of a corpus, which is downloaded if it is not there.
func readPage(t *testing.T, corpus string) *page {
	t.Helper()
	archive := filepath.Base(testimg.Source(t, corpus))
	archive, _, _ = strings.Cut(archive, ".orig.")
	p := &page{corpus: corpus, archive: archive, want: map[string]string{}}
	data, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	in := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "## "):
			in = strings.HasPrefix(line, "## "+corpus+"_")
			p.same = p.same || line == "## "+archive
		case in && strings.HasPrefix(line, "| `"):
			name, _, _ := strings.Cut(line[3:], "`")
			p.want[name] = line
		}
	}
	return p
}

// row notes what became of an image, and holds that it is what the page says.
func (p *page) row(t *testing.T, image, tool, got string) {
	t.Helper()
	line := fmt.Sprintf("| `%s` | %s | %s |", image, tool, strings.ReplaceAll(got, "|", `\|`))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, line)
	if p.same && os.Getenv(updateEnv) == "" && p.want[image] != line {
		t.Errorf("%s\ndocs/volumes.md: %s", line, p.want[image])
	}
}

// done writes the table, if that is wanted.
func (p *page) done(t *testing.T) {
	t.Helper()
	if os.Getenv(updateEnv) == "" {
		return
	}
	data, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(p.got)
	sections := strings.Split(string(data), "\n## ")
	for i, s := range sections {
		if !strings.HasPrefix(s, p.corpus+"_") {
			continue
		}
		_, text, _ := strings.Cut(s, "\n")
		before, _, _ := strings.Cut(text, "\n| `")
		sections[i] = p.archive + "\n" + strings.TrimRight(before, "\n") + "\n" + strings.Join(p.got, "\n")
		if i < len(sections)-1 {
			sections[i] += "\n"
		}
	}
	out := strings.TrimRight(strings.Join(sections, "\n## "), "\n") + "\n"
	if err := os.WriteFile(pagePath, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
}
