package guestfs

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// secret stands for a passphrase.
type secret struct{}

// traceLimit is how much of a buffer or a list is shown.
const traceLimit = 256

func (g *Guestfs) traceCall(name string, params []any) {
	var b strings.Builder
	b.WriteString(name)
	for _, p := range params {
		traceParam(&b, p)
	}
	g.message(EVENT_TRACE, b.String())
}

func (g *Guestfs) traceReturn(name string, ret any, err error) {
	var b strings.Builder
	b.WriteString(name)
	b.WriteString(" =")
	var e *GuestfsError
	switch {
	case errors.As(err, &e):
		fmt.Fprintf(&b, " -1 (error: %s)", e.Errmsg)
	case ret == nil:
		b.WriteString(" 0")
	default:
		traceValue(&b, reflect.ValueOf(ret).Elem())
	}
	g.message(EVENT_TRACE, b.String())
}

// traceParam writes a parameter, or the optional ones that are set.
func traceParam(b *strings.Builder, p any) {
	if _, ok := p.(secret); ok {
		b.WriteString(` "***"`)
		return
	}
	v := reflect.ValueOf(p)
	if v.Kind() != reflect.Pointer || v.Type().Elem().Kind() != reflect.Struct {
		traceValue(b, v)
		return
	}
	if v.IsNil() {
		return
	}
	v = v.Elem()
	for i := 0; i+1 < v.NumField(); i += 2 {
		if !v.Field(i).Bool() {
			continue
		}
		name := strings.ToLower(v.Type().Field(i + 1).Name)
		var value strings.Builder
		if name == "secret" {
			value.WriteString(`"***"`)
		} else {
			traceValue(&value, v.Field(i+1))
		}
		fmt.Fprintf(b, ` "%s:%s"`, name, strings.Trim(strings.TrimSpace(value.String()), `"`))
	}
}

func traceValue(b *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		fmt.Fprintf(b, ` "%s"`, v.String())
	case reflect.Bool:
		n := 0
		if v.Bool() {
			n = 1
		}
		fmt.Fprintf(b, " %d", n)
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint64, reflect.Uint32:
		fmt.Fprintf(b, " %v", v)
	case reflect.Pointer:
		switch {
		case v.IsNil():
			b.WriteString(" NULL")
		case v.Elem().Kind() == reflect.Struct:
			fmt.Fprintf(b, " <struct guestfs_%s>", strings.ToLower(v.Type().Elem().Name()))
		case v.Elem().Kind() == reflect.Slice:
			fmt.Fprintf(b, " <list of %d>", v.Elem().Len())
		default:
			traceValue(b, v.Elem())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			data := v.Bytes()
			fmt.Fprintf(b, " %s", strconv.QuoteToASCII(string(data[:min(len(data), traceLimit)])))
			if len(data) > traceLimit {
				fmt.Fprintf(b, "<truncated, original size %d bytes>", len(data))
			}
			return
		}
		b.WriteString(` [`)
		for i := range v.Len() {
			if i > 0 {
				b.WriteString(", ")
			}
			if i == traceLimit {
				b.WriteString("...")
				break
			}
			fmt.Fprintf(b, `"%v"`, v.Index(i))
		}
		b.WriteString("]")
	case reflect.Map:
		fmt.Fprintf(b, " <map of %d>", v.Len())
	default:
		fmt.Fprintf(b, " %v", v)
	}
}
