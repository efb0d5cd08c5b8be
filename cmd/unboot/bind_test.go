package main

import (
	"strings"
	"testing"
)

func TestParseBind(t *testing.T) {
	for v, want := range map[string]bindSpec{
		"/src:/mnt":             {"/src", "/mnt", false},
		"/src:/mnt:ro":          {"/src", "/mnt", false},
		"/src:/mnt:rw":          {"/src", "/mnt", true},
		".:/mnt/../x//y/":       {".", "/x/y", false},
		"C:\\dir:/mnt:rw":       {"C:\\dir", "/mnt", true},
		"/a:b/c:/mnt":           {"/a:b/c", "/mnt", false},
		"a:/b:/mnt":             {"a:/b", "/mnt", false},
		"/with space:/m n t:rw": {"/with space", "/m n t", true},
		"-x:/y":                 {"-x", "/y", false},
		"/a:/b:c/d":             {"/a", "/b:c/d", false},
	} {
		if got, err := parseBind(v); got != want || err != nil {
			t.Errorf("%q: %+v, %v, want %+v", v, got, err, want)
		}
	}
	for v, want := range map[string]string{
		"": "expected HOSTDIR", "/src": "expected HOSTDIR", "/src:mnt": "absolute", "/src:mnt:rw": "absolute", ":/mnt": "HOSTDIR is empty",
		":/mnt:rw": "HOSTDIR is empty", "/a:/b:wr": "not wr", "/a:/b:": "ro or rw", "/a:/b:ro,rw": "ro,rw", "/a:/": "below /", "/a:/b/..": "below /",
		"/a:/run": "must not be in /run", "/a:/proc/x:rw": "must not be in /proc", "/a:/mnt/../dev/shm": "must not be in /dev",
	} {
		if got, err := parseBind(v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %q", v, got, err, want)
		}
	}
	var list []bindSpec
	f := &flagSet{}
	f.binds(&list)
	rest, err := f.parse([]string{"--bind", "/a:/b", "x", "--bind=/c:/d:rw"})
	if err != nil || len(rest) != 1 || len(list) != 2 || list[1] != (bindSpec{"/c", "/d", true}) {
		t.Errorf("%v, %v, %+v", rest, err, list)
	}
	if _, err := f.parse([]string{"--bind", "/a"}); err == nil || !strings.Contains(err.Error(), `--bind: "/a": expected`) {
		t.Error(err)
	}
}
