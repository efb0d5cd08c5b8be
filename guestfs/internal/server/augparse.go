package server

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// An augError is what augtool has said of a command that failed.
type augError struct {
	message string // what kind of error it is
	minor   string // more about it, or ""
	details string // the same, or ""
}

func (e *augError) Error() string {
	text := e.message
	for _, more := range []string{e.minor, e.details} {
		if more != "" {
			text += ": " + more
		}
	}
	return text
}

// augFailed is the message of a command that augtool itself has found wrong, or of whose
// failure the library has nothing to say.
const augFailed = "Failed to execute command"

// parseAugError returns the error that an answer is, or nil.
func parseAugError(answer string) *augError {
	const prefix = "error: "
	if answer == "Out of memory.\n" {
		return &augError{message: "augeas out of memory"}
	}
	rest, ok := strings.CutPrefix(strings.TrimSuffix(answer, "\n"), prefix)
	if !ok {
		return nil
	}
	e := &augError{}
	e.message, rest, _ = strings.Cut(rest, "\n")
	if minor, ok := strings.CutPrefix(rest, prefix); ok {
		e.minor, rest, _ = strings.Cut(minor, "\n")
	}
	e.details = rest
	return e
}

// badAnswer is the error of an answer that augtool cannot have meant.
func badAnswer(answer string) error {
	const most = 200
	return fmt.Errorf("augtool says %.*q", most, answer)
}

// What get and label may answer but a value. They are worded when it is known for which
// procedure.
var (
	errAugNoNode  = errors.New("no matching node")
	errAugNoValue = errors.New("no value")
)

// parseAugValue parses the answer of get or label about a path expression, with which it
// begins.
func parseAugValue(path, answer string) (value string, err error) {
	rest, ok := strings.CutPrefix(answer, path+" ")
	if !ok || !strings.HasSuffix(rest, "\n") {
		return "", badAnswer(answer)
	}
	rest = rest[:len(rest)-1]
	switch {
	case rest == "(o)":
		return "", errAugNoNode
	case rest == "(none)":
		return "", errAugNoValue
	case strings.HasPrefix(rest, "= "):
		return rest[2:], nil
	}
	return "", badAnswer(answer)
}

// parseAugMatch parses the answer of match: a path and a value for each of the count
// nodes. ok is false if it may have another meaning than the one returned, since a value
// or a path has a newline.
func parseAugMatch(answer string, count int) (paths []string, ok bool) {
	if count == 0 {
		return nil, true
	}
	if strings.Count(answer, "\n") != count || !strings.HasSuffix(answer, "\n") {
		return nil, false
	}
	for line := range strings.SplitSeq(answer[:len(answer)-1], "\n") {
		path, ok := parseAugNode(line)
		if !ok {
			return nil, false
		}
		paths = append(paths, path)
	}
	return paths, true
}

// parseAugNode returns the path of one node, which a value follows. In a path, a space
// has a backslash before it.
func parseAugNode(s string) (path string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ' ':
			rest := s[i:]
			return s[:i], s[0] == '/' && (strings.HasPrefix(rest, " = ") || strings.TrimSuffix(rest, "\n") == " (none)")
		}
	}
	return "", false
}

// parseAugCount parses the answer of count.
func parseAugCount(answer string) (int, error) {
	number, _, _ := strings.Cut(strings.TrimSpace(answer), " ")
	if number == "no" {
		return 0, nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 {
		return 0, badAnswer(answer)
	}
	return n, nil
}

// parseAugRm parses the answer of rm.
func parseAugRm(answer string) (int, error) {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(answer, "\n"), "rm : ")
	n, err := strconv.Atoi(rest[strings.LastIndexByte(rest, ' ')+1:])
	if !ok || err != nil || n < 0 {
		return 0, badAnswer(answer)
	}
	return n, nil
}
