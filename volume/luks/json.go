package luks

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
)

// A decoder takes values out of JSON text, and remembers the first that is missing or is of
// another type. It does not use struct tags: encoding/json takes keys of any case for the
// same, and cryptsetup does not.
type decoder struct{ err error }

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

// An object is a JSON object with the path to it, for messages.
type object struct {
	d     *decoder
	path  string
	value map[string]any
}

// parse reads the text of a header's area, which ends at the first NUL and is followed by
// nothing but NULs.
func (d *decoder) parse(area []byte) object {
	text, rest, ok := bytes.Cut(area, []byte{0})
	o := object{d: d, path: "the JSON text"}
	switch {
	case !ok:
		d.fail("the JSON text has no end")
		return o
	case len(text) == 0 || text[0] != '{':
		d.fail("the JSON text does not begin with a brace")
		return o
	case len(bytes.Trim(rest, "\x00")) > 0:
		d.fail("something follows the JSON text")
		return o
	}
	j := json.NewDecoder(bytes.NewReader(text))
	j.UseNumber() // a float is no integer
	if err := j.Decode(&o.value); err != nil {
		d.fail("the JSON text: %w", err)
	} else if _, err := j.Token(); !errors.Is(err, io.EOF) {
		d.fail("something follows the JSON text")
	}
	return o
}

func (o object) has(key string) bool { return o.value[key] != nil }

func get[T any](o object, key, what string) (value T) {
	value, ok := o.value[key].(T)
	if !ok {
		o.d.fail("%s has no %s %q", o.path, what, key)
	}
	return value
}

func (o object) object(key string) object {
	return object{o.d, fmt.Sprintf("%q of %s", key, o.path), get[map[string]any](o, key, "object")}
}

// text returns a string that is not empty.
func (o object) text(key string) string {
	s := get[string](o, key, "string")
	if s == "" {
		o.d.fail("%q of %s is empty", key, o.path)
	}
	return s
}

// integer returns a number from 0 to most.
func (o object) integer(key string, most int64) int64 {
	n, err := strconv.ParseInt(string(get[json.Number](o, key, "number")), 10, 64)
	if err != nil || n < 0 || n > most {
		o.d.fail("%q of %s is not a number up to %d", key, o.path, most)
		return 0
	}
	return n
}

// uint64 returns a number that is written as a string, since JSON has no integers of 64 bits.
func (o object) uint64(key string) uint64 {
	n, ok := digits(o.text(key))
	if !ok {
		o.d.fail("%q of %s is not a number", key, o.path)
	}
	return n
}

// bytes returns a number of bytes, written as a string.
func (o object) bytes(key string) int64 {
	n := o.uint64(key)
	if n > math.MaxInt64 {
		o.d.fail("%q of %s is larger than any device", key, o.path)
		return 0
	}
	return int64(n)
}

// base64 returns data.
func (o object) base64(key string) []byte {
	b, err := base64.StdEncoding.DecodeString(o.text(key))
	if err != nil {
		o.d.fail("%q of %s is not in base 64", key, o.path)
	}
	return b
}

// texts returns an array of strings. It may be missing if it is optional.
func (o object) texts(key string, optional bool) (list []string) {
	if optional && !o.has(key) {
		return nil
	}
	for _, v := range get[[]any](o, key, "array") {
		s, ok := v.(string)
		if !ok {
			o.d.fail("%q of %s has something that is not a string", key, o.path)
			return nil
		}
		list = append(list, s)
	}
	return list
}

// ids returns an array of the numbers of objects, which has to have them.
func (o object) ids(key string, of object) (list []int) {
	for _, s := range o.texts(key, false) {
		id, ok := digits(s)
		if _, there := of.value[s].(map[string]any); !ok || id > math.MaxInt32 || !there {
			o.d.fail("%q of %s names %q, which is not there", key, o.path, s)
			return nil
		}
		list = append(list, int(id))
	}
	return list
}

// numbered calls f with each of the objects in an object whose keys are numbers, in order.
func (o object) numbered(f func(id int, each object)) {
	ids := map[int]string{}
	for key := range o.value {
		id, ok := digits(key)
		if !ok || id > math.MaxInt32 {
			o.d.fail("%s has %q, which is not a number", o.path, key)
			return
		}
		if ids[int(id)] != "" {
			o.d.fail("%s has two of the number %d", o.path, id)
			return
		}
		ids[int(id)] = key
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		f(id, o.object(ids[id]))
	}
}

// digits reads a number of nothing but digits.
func digits(s string) (uint64, bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}
