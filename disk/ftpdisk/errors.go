package ftpdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"net/textproto"
	"strings"

	"github.com/jlaffaye/ftp"
)

// ErrChanged is returned when the file on the server is not the one any more that was opened.
var ErrChanged = errors.New("the file on the server has changed")

// An answerError is one that the server answers with.
type answerError struct {
	code int
	text string
	is   error
}

func (e *answerError) Error() string { return fmt.Sprintf("the server answers %d %s", e.code, e.text) }
func (e *answerError) Unwrap() error { return e.is }

// answer returns the error of an answer that stays the same, or err.
func answer(err, is error) error {
	a, ok := errors.AsType[*textproto.Error](err)
	if !ok || a.Code < 500 {
		return err
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, a.Msg)
	return &answerError{a.Code, text[:min(len(text), 200)], is}
}

// denied says that nobody is let in.
func denied(err error) error { return answer(err, fs.ErrPermission) }

// missing says that there is no such file.
func missing(err error) error {
	is := fs.ErrNotExist
	if a, ok := errors.AsType[*textproto.Error](err); ok && a.Code != ftp.StatusFileUnavailable {
		is = errors.ErrUnsupported // SIZE or REST
	}
	return answer(err, is)
}

// final reports whether an error will be the same the next time.
func final(err error) bool {
	_, ok := errors.AsType[*answerError](err)
	return ok || errors.Is(err, ErrChanged)
}
