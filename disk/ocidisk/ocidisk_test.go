package ocidisk

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/unboot/unboot/disk"
)

// content is a disk with much that is zero.
func content() []byte {
	b := make([]byte, 3<<20)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 200000 {
		b[i+1<<20] = byte(r.Uint32())
	}
	return b
}

// archive makes one of files and their names.
func archive(t *testing.T, compress bool, files ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	out := io.Writer(&b)
	if compress {
		z := gzip.NewWriter(&b)
		defer z.Close()
		out = z
	}
	w := tar.NewWriter(out)
	for i := 0; i < len(files); i += 2 {
		body := files[i+1].([]byte)
		if err := w.WriteHeader(&tar.Header{Name: files[i].(string), Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		w.Write(body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if z, ok := out.(*gzip.Writer); ok {
		z.Close()
	}
	return b.Bytes()
}

// start starts a registry of package go-containerregistry, which lets nobody in without what
// the wrapper wants.
func start(t *testing.T, wrap func(http.Handler) http.Handler) (host string) {
	t.Helper()
	h := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		h = wrap(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	t.Setenv("HOME", t.TempDir())
	for _, v := range []string{"DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"} {
		t.Setenv(v, "")
	}
	return strings.TrimPrefix(s.URL, "http://")
}

// push puts an image of layers there.
func push(t *testing.T, ref string, layers ...mutate.Addendum) {
	t.Helper()
	img, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layers...)
	if err != nil {
		t.Fatal(err)
	}
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(r, img); err != nil {
		t.Fatal(err)
	}
}

func layer(b []byte, kind types.MediaType, title string) mutate.Addendum {
	a := mutate.Addendum{Layer: static.NewLayer(b, kind), MediaType: kind}
	if title != "" {
		a.Annotations = map[string]string{titleAnnotation: title}
	}
	return a
}

func openURL(t *testing.T, s string) (disk.Device, error) {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return Open(context.Background(), u, disk.Options{})
}

// Disks are found in each of the layouts.
func TestLayouts(t *testing.T) {
	host, want := start(t, nil), content()
	const raw = "application/vnd.example.disk.v1.raw"
	other := layer(archive(t, false, "etc/x", []byte("x")), types.OCIUncompressedLayer, "")
	push(t, host+"/oras:1", layer(want, raw, "disk.img"))
	push(t, host+"/several:1", layer([]byte("text"), "text/plain", "README"), layer(want, raw, "disk.img"))
	push(t, host+"/container/disk", layer(archive(t, false, "x", []byte("x"), "./disk/a.img", want), types.OCIUncompressedLayer, ""), other)
	push(t, host+"/compressed:1", layer(archive(t, true, "x", []byte("x"), "disk/a.img", want, "y", []byte("y")), types.OCILayer, ""), other)
	push(t, host+"/docker:1", layer(archive(t, true, "boot/vm.raw", want), types.DockerLayer, ""))
	push(t, host+"/none:1", other)
	for _, c := range []struct {
		ref  string
		err  error
		text string
	}{
		{ref: "oras:1"}, {ref: "several:1?file=disk.img"}, {ref: "container/disk"}, {ref: "compressed:1"}, {ref: "docker:1?file=boot/vm.raw"},
		{ref: "several:1", text: `"README", "disk.img" (name one by`},
		{ref: "none:1", err: ErrNoDisk}, {ref: "oras:1?file=other", err: ErrNoDisk}, {ref: "oras:2", err: fs.ErrNotExist},
	} {
		d, err := openURL(t, "oci://"+host+"/"+c.ref)
		if c.err != nil || c.text != "" {
			if err == nil || c.err != nil && !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: %v", c.ref, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.ref, err)
			continue
		}
		if got, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size())); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", c.ref, len(got), err)
		}
		if _, err := d.WriteAt([]byte("x"), 0); !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: %v", c.ref, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Of an index, the image for this platform is taken; a digest is verified.
func TestIndex(t *testing.T) {
	host, want := start(t, nil), content()
	index := v1.ImageIndex(empty.Index)
	for arch, b := range map[string][]byte{"arm64": []byte("another"), "amd64": want} {
		img, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer(b, "application/x-disk", ""))
		if err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	r, err := name.ParseReference(host + "/index:1")
	if err == nil {
		err = remote.WriteIndex(r, index)
	}
	if err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{":1", "@" + digest.String()} {
		d, err := openURL(t, "docker://"+host+"/index"+ref)
		if err != nil {
			t.Fatal(err)
		}
		if d.Size() != int64(len(want)) {
			t.Errorf("%d bytes", d.Size())
		}
		d.Close()
	}
	if _, err := openURL(t, "docker://"+host+"/index@sha256:"+strings.Repeat("0", 64)); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Who one is, is told the registry, or the server for tokens, and is in no error.
func TestLogin(t *testing.T) {
	const secret = "s3cr3t"
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+secret))
	var token, wants string
	issued := 0
	host := start(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method != http.MethodGet && r.Method != http.MethodHead || wants == "":
				h.ServeHTTP(w, r)
			case r.URL.Path == "/token":
				if r.Header.Get("Authorization") != basic || r.URL.Query().Get("scope") != "repository:private:pull" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				issued++
				token = fmt.Sprintf("t%d", issued)
				fmt.Fprintf(w, `{"token":%q}`, token)
			case wants == "Bearer" && r.Header.Get("Authorization") == "Bearer "+token, r.Header.Get("Authorization") == wants:
				h.ServeHTTP(w, r)
			case wants == "Bearer":
				w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="s",scope="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			default:
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
	})
	push(t, host+"/private", layer(content(), "application/x-disk", ""))
	config := func(text string) {
		os.Mkdir(os.Getenv("HOME")+"/.docker", 0o700)
		if err := os.WriteFile(os.Getenv("HOME")+"/.docker/config.json", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	helper := "#!/bin/sh\nread host; [ \"$host\" = " + host + " ] && echo '{\"Username\":\"me\",\"Secret\":\"" + secret + "\"}'\n"
	if err := os.WriteFile(bin+"/docker-credential-test", []byte(helper), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for _, text := range []string{
		`{"auths":{"` + host + `":{"auth":"` + strings.TrimPrefix(basic, "Basic ") + `"}}}`,
		`{"auths":{"` + host + `":{"username":"me","password":"` + secret + `"}}}`,
		`{"credHelpers":{"` + host + `":"test"}}`,
		`{"auths":{"` + host + `":{}},"credsStore":"test"}`,
	} {
		for _, w := range []string{basic, "Bearer"} {
			wants = w
			config(text)
			d, err := openURL(t, "oci://"+host+"/private")
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			token = "over" // which it is told by the next answer
			if _, err := d.ReadAt(make([]byte, 100), 2<<20); err != nil {
				t.Error(err)
			}
			d.Close()
		}
	}
	for _, text := range []string{`{}`, `{"auths":{"` + host + `":{"username":"you","password":"` + secret + `"}}}`} {
		config(text)
		for _, w := range []string{basic, "Bearer"} {
			wants = w
			if _, err := openURL(t, "oci://"+host+"/private"); err == nil || strings.Contains(err.Error(), secret) || w == basic && !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"oci://h:5/a/b:t": "https://h:5/v2/a/b/manifests/t", "docker://docker.io/debian": "https://registry-1.docker.io/v2/library/debian/manifests/latest",
		"oci://localhost:5/a": "http://localhost:5/v2/a/manifests/latest", "oci://h/A": "", "oci://h/a:": "", "oci://h/a@sha256:0": "", "oci://h": "", "oci://h/a?x=y": "", "oci://u:p@h/a": "", "oci://h/../a": "",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parse(u)
		if got := ""; err == nil {
			if got = r.url("manifests", r.ref).String(); got != want {
				t.Errorf("%s: %s, want %s", in, got, want)
			}
		} else if want != "" {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// FuzzManifest: what is accepted of a manifest can be asked for.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"layers":[{"digest":"sha256:x","size":-1}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseManifest(b); err == nil {
			for i := range m.Layers {
				if m.Layers[i].archive(); m.Layers[i].Size < 0 || len(m.Layers[i].Digest) != 71 {
					t.Errorf("%+v", m.Layers[i])
				}
			}
		}
	})
}

// FuzzChallenge: whatever a server wants, it is read to its end.
func FuzzChallenge(f *testing.F) {
	f.Add(`realm="https://x/y",service="s"`)
	f.Fuzz(func(t *testing.T, s string) { parameters(s) })
}
