package augeas

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// An Error is what augtool has said of a command that failed.
type Error struct {
	Message string // which kind of error it is, in Augeas's words
	Minor   string // more about it, or ""
	Details string // such as the path expression with a mark where it is wrong, or ""
}

func (e *Error) Error() string {
	text := e.Message
	for _, more := range []string{e.Minor, e.Details} {
		if more != "" {
			text += ": " + more
		}
	}
	return text
}

// Failed is the message of a command that augtool itself has found wrong, or of whose
// failure the library has nothing to say.
const Failed = "Failed to execute command"

// parseError returns the error that an answer is, or nil.
func parseError(answer string) *Error {
	const prefix = "error: "
	if answer == "Out of memory.\n" {
		return &Error{Message: "augeas out of memory"}
	}
	rest, ok := strings.CutPrefix(strings.TrimSuffix(answer, "\n"), prefix)
	if !ok {
		return nil
	}
	e := &Error{}
	e.Message, rest, _ = strings.Cut(rest, "\n")
	if minor, ok := strings.CutPrefix(rest, prefix); ok {
		e.Minor, rest, _ = strings.Cut(minor, "\n")
	}
	e.Details = rest
	return e
}

// badAnswer is the error of an answer that augtool cannot have meant.
func badAnswer(answer string) error {
	const most = 200
	return fmt.Errorf("augtool says %.*q", most, answer)
}

// Errors of [Handle.Get] and [Handle.Label].
var (
	ErrNoNode  = errors.New("no matching node")
	ErrNoValue = errors.New("no value")
)

// parseValue parses the answer of get or label about a path expression, with which it
// begins.
func parseValue(path, answer string) (value string, err error) {
	rest, ok := strings.CutPrefix(answer, path+" ")
	if !ok || !strings.HasSuffix(rest, "\n") {
		return "", badAnswer(answer)
	}
	rest = rest[:len(rest)-1]
	switch {
	case rest == "(o)":
		return "", ErrNoNode
	case rest == "(none)":
		return "", ErrNoValue
	case strings.HasPrefix(rest, "= "):
		return rest[2:], nil
	}
	return "", badAnswer(answer)
}

// parseMatch parses the answer of match: a path and a value for each of the count
// nodes. ok is false if it may have another meaning than the one returned, since a value
// or a path has a newline.
func parseMatch(answer string, count int) (paths []string, ok bool) {
	if count == 0 {
		return nil, true
	}
	if strings.Count(answer, "\n") != count || !strings.HasSuffix(answer, "\n") {
		return nil, false
	}
	for line := range strings.SplitSeq(answer[:len(answer)-1], "\n") {
		path, ok := parseNode(line)
		if !ok {
			return nil, false
		}
		paths = append(paths, path)
	}
	return paths, true
}

// parseNode returns the path of one node, which a value follows. In a path, a space
// has a backslash before it.
func parseNode(s string) (path string, ok bool) {
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

// parseCount parses the answer of count.
func parseCount(answer string) (int, error) {
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

// parseRm parses the answer of rm.
func parseRm(answer string) (int, error) {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(answer, "\n"), "rm : ")
	n, err := strconv.Atoi(rest[strings.LastIndexByte(rest, ' ')+1:])
	if !ok || err != nil || n < 0 {
		return 0, badAnswer(answer)
	}
	return n, nil
}
