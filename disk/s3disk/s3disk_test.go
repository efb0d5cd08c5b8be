package s3disk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/unboot/unboot/disk"
)

// The example of Amazon's documentation: "Signature Calculations for the Authorization Header",
// GET Object.
func TestSignature(t *testing.T) {
	r, err := http.NewRequest(http.MethodGet, "https://examplebucket.s3.amazonaws.com/test.txt", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Range", "bytes=0-9")
	sign(r, key{id: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}, "us-east-1", time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC))
	want := "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
	if got := r.Header.Get("Authorization"); got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
}

const secret = "s3cr3t/word"

// server is a small S3: path style, with one public bucket and one that wants a signature for a
// region.
func server(t *testing.T, b []byte) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bucket, object, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		w.Header().Set("X-Amz-Bucket-Region", "eu-south-9")
		if bucket == "private" {
			again := r.Clone(r.Context())
			again.URL.Host = r.Host
			at, _ := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
			sign(again, key{"me", secret, r.Header.Get("X-Amz-Security-Token")}, "eu-south-9", at)
			if r.Header.Get("Authorization") != again.Header.Get("Authorization") || time.Since(at).Abs() > time.Minute {
				http.Error(w, "<Code>SignatureDoesNotMatch</Code>", http.StatusForbidden)
				return
			}
		} else if r.Header.Get("Authorization") != "" && bucket == "public" {
			http.Error(w, "<Code>InvalidAccessKeyId</Code>", http.StatusForbidden)
			return
		}
		if object != "a key/with ä+&.img" {
			http.Error(w, "<Code>NoSuchKey</Code>", http.StatusNotFound)
			return
		}
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}))
	t.Cleanup(s.Close)
	return s
}

// environment takes away what the machine has.
func environment(t *testing.T) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
}

func TestRead(t *testing.T) {
	b := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	s := server(t, b)
	files := map[string]string{
		"credentials": "[default]\naws_access_key_id = me\naws_secret_access_key = " + secret + "\n[wrong]\naws_access_key_id=me\naws_secret_access_key=x\n",
		"config":      "[profile ask]\nregion = eu-south-9\ns3 =\n  x = y\ncredential_process = echo '{\"AccessKeyId\":\"me\",\"SecretAccessKey\":\"" + secret + "\"}'\n[default]\nendpoint_url = " + s.URL + "\n",
	}
	for _, c := range []struct {
		name, url string
		env       map[string]string
		files     bool
		want      error
	}{
		{name: "public", url: "s3://public/K?endpoint=" + s.URL},
		{name: "public, with a key", url: "s3://public/K?anonymous&endpoint=" + s.URL, env: map[string]string{"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": secret}},
		{name: "a key of somebody else", url: "s3://public/K?endpoint=" + s.URL, env: map[string]string{"AWS_ACCESS_KEY_ID": "you", "AWS_SECRET_ACCESS_KEY": secret}, want: fs.ErrPermission},
		{name: "environment", url: "s3://private/K", env: map[string]string{"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "a token", "AWS_REGION": "eu-south-9", "AWS_ENDPOINT_URL_S3": s.URL + "/"}},
		{name: "another region", url: "s3://private/K?endpoint=" + s.URL, env: map[string]string{"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": secret}},
		{name: "files", url: "s3://private/K", files: true},
		{name: "process", url: "s3://private/K?profile=ask&endpoint=" + s.URL, files: true},
		{name: "wrong key", url: "s3://private/K?endpoint=" + s.URL, files: true, env: map[string]string{"AWS_PROFILE": "wrong"}, want: fs.ErrPermission},
		{name: "no key", url: "s3://private/K?endpoint=" + s.URL, want: fs.ErrPermission},
		{name: "not there", url: "s3://public/other?endpoint=" + s.URL, want: fs.ErrNotExist},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t)
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			if c.files {
				dir := os.Getenv("HOME") + "/.aws"
				os.Mkdir(dir, 0o700)
				for name, text := range files {
					if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			u, err := url.Parse(strings.Replace(c.url, "/K", "/a%20key/with%20%C3%A4+&.img", 1))
			if err != nil {
				t.Fatal(err)
			}
			d, err := Open(context.Background(), u, disk.Options{})
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatal(err)
			}
			if err != nil {
				if !strings.Contains(err.Error(), "s3://") || strings.Contains(err.Error(), secret) {
					t.Error(err)
				}
				return
			}
			defer d.Close()
			if got, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size())); err != nil || !bytes.Equal(got, b) {
				t.Error(err)
			}
		})
	}
}

func TestWrong(t *testing.T) {
	environment(t)
	for _, s := range []string{"s3://bucket", "s3:///key", "s3://b/k?x=y", "s3://b/k?endpoint=ftp://x", "s3://b/k?profile=none", "s3://me:" + url.QueryEscape(secret) + "@b/k", "s3://b/k?region=a/b"} {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(context.Background(), u, disk.Options{}); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", s, err)
		}
	}
	if _, err := Open(context.Background(), &url.URL{Scheme: "s3", Host: "b", Path: "/k"}, disk.Options{Writable: true}); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
	for want, c := range map[string][2]string{
		"https://b.s3.eu-south-9.amazonaws.com/k%20k": {"b", ""}, "https://s3.eu-south-9.amazonaws.com/b.c/k%20k": {"b.c", ""}, "http://h:1/x/b/k%20k": {"b", "http://h:1/x/"}, "https://h:1/b/k%20k": {"b", "h:1"},
	} {
		if u, err := locate(c[0], "k k", "eu-south-9", c[1]); err != nil || u.String() != want {
			t.Errorf("%v, %v, want %s", u, err, want)
		}
	}
}

// FuzzINI: whatever is in a file of the configuration, it is read to its end.
func FuzzINI(f *testing.F) {
	f.Add([]byte("[profile a]\nk = v\ns3 =\n x=y\n;c\n[]\n=\n"))
	f.Fuzz(func(t *testing.T, b []byte) { parseINI(b) })
}
