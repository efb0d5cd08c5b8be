package sshdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// maxInclude is how deep files may name each other, as in ssh(1).
	maxInclude = 16
	// maxConfig is how large a file may be, and maxLines how many lines may count, in all.
	maxConfig = 1 << 20
	maxLines  = 1 << 16
)

// A setting is a line of ssh_config(5), with what it is for.
type setting struct {
	hosts []string   // patterns, of which one must match; nil for all hosts
	outer [][]string // the same, of each Include by which its file was found
	key   string     // in lower case
	words []string
}

// matches reports whether it is for a host.
func (s *setting) matches(host string) bool {
	for _, hosts := range s.outer {
		if !matchHost(hosts, host) {
			return false
		}
	}
	return s.hosts == nil || matchHost(s.hosts, host)
}

// readFile reads a file, and those that it includes. One that is not there says nothing.
func (c *config) readFile(path string, outer [][]string, depth int) error {
	if depth > maxInclude {
		return fmt.Errorf("%s: too many files that include each other", path)
	}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err == nil && (!st.Mode().IsRegular() || st.Size() > maxConfig) {
		err = errors.New("not a configuration")
	}
	if err != nil {
		return err
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	var hosts []string
	for line := range strings.Lines(string(b)) {
		key, words := parseLine(line)
		switch key {
		case "":
		case "host":
			hosts = append([]string{}, words...)
		case "match":
			hosts = matchBlock(words)
		case "include":
			if err := c.include(path, words, hosts, outer, depth); err != nil {
				return err
			}
		default:
			if len(c.settings) == maxLines {
				return fmt.Errorf("%s: too many lines", path)
			}
			c.settings = append(c.settings, setting{hosts: hosts, outer: outer, key: key, words: words})
		}
	}
	return nil
}

// include reads the files that a line names, relative to the folder of the file. What they say
// counts for hosts that the line is for.
func (c *config) include(path string, words, hosts []string, outer [][]string, depth int) error {
	if hosts != nil {
		outer = append(slices.Clip(outer), hosts)
	}
	for _, w := range words {
		if rest, ok := strings.CutPrefix(w, "~/"); ok {
			w = filepath.Join(c.home, rest)
		} else if !filepath.IsAbs(w) {
			w = filepath.Join(filepath.Dir(path), w)
		}
		list, err := filepath.Glob(w)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, file := range list {
			if err := c.readFile(file, outer, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// matchBlock returns the patterns of a Match line: those of "all" and "host" alone. For other
// conditions, such as what a program says, there are none that match.
func matchBlock(words []string) []string {
	switch {
	case len(words) == 1 && strings.EqualFold(words[0], "all"):
		return nil
	case len(words) == 2 && strings.EqualFold(words[0], "host"):
		return strings.Split(words[1], ",")
	}
	return []string{}
}

// parseLine divides a line: "Key word…" or "Key=word…", with words that may be in quotes.
func parseLine(line string) (key string, words []string) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", nil
	}
	i := strings.IndexAny(line, " \t=")
	if i <= 0 {
		return "", nil
	}
	key, line = strings.ToLower(line[:i]), strings.TrimLeft(line[i:], " \t")
	line = strings.TrimLeft(strings.TrimPrefix(line, "="), " \t")
	for line != "" && line[0] != '#' {
		var w string
		if rest, ok := strings.CutPrefix(line, `"`); ok {
			w, line, _ = strings.Cut(rest, `"`)
		} else if i := strings.IndexAny(line, " \t"); i >= 0 {
			w, line = line[:i], line[i:]
		} else {
			w, line = line, ""
		}
		words, line = append(words, w), strings.TrimLeft(line, " \t")
	}
	return key, words
}

// matchHost reports whether a host is one of a list of patterns, of which those that begin
// with "!" take it out again.
func matchHost(patterns []string, host string) (ok bool) {
	for _, p := range patterns {
		p, not := strings.CutPrefix(p, "!")
		if !matchPattern(strings.ToLower(p), strings.ToLower(host)) {
			continue
		}
		if not {
			return false
		}
		ok = true
	}
	return ok
}

// matchPattern compares with a pattern in which "*" is anything, and "?" one byte.
func matchPattern(p, s string) bool {
	star, from := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i, j = i+1, j+1
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(p[i:], "*") == ""
}
