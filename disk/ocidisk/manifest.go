package ocidisk

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

const (
	// maxManifest is how large a manifest may be, in bytes: what registries allow.
	maxManifest = 4 << 20
	// maxLayers is how many layers may be looked at.
	maxLayers = 256
)

// The types of manifests.
const (
	typeManifest       = "application/vnd.oci.image.manifest.v1+json"
	typeIndex          = "application/vnd.oci.image.index.v1+json"
	typeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	typeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	titleAnnotation    = "org.opencontainers.image.title"
)

// A descriptor is what a manifest says of a blob, or of another manifest.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
	Platform    *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

// A manifest is one, or an index of several.
type manifest struct {
	MediaType string       `json:"mediaType"`
	Layers    []descriptor `json:"layers"`
	Manifests []descriptor `json:"manifests"`
}

// ErrAnswer is returned for a registry that answers with what is not asked for.
var ErrAnswer = errors.New("a wrong answer of the registry")

// fetchManifest gets the manifest of an image: of an index, that of this platform.
func (c *client) fetchManifest(ctx context.Context) (*manifest, error) {
	m, err := c.getManifest(ctx, c.ref)
	if err != nil || len(m.Manifests) == 0 {
		return m, err
	}
	choice := -1
	for i, d := range m.Manifests {
		if p := d.Platform; p != nil && p.OS == "linux" && p.Architecture == "amd64" {
			choice = i
			break
		}
	}
	if choice < 0 && len(m.Manifests) == 1 {
		choice = 0
	}
	if choice < 0 {
		return nil, fmt.Errorf("none of its %d images is for linux/amd64 (name one by @DIGEST)", len(m.Manifests))
	}
	if !isDigest().MatchString(m.Manifests[choice].Digest) {
		return nil, fmt.Errorf("%w: a digest of another kind", ErrAnswer)
	}
	if m, err = c.getManifest(ctx, m.Manifests[choice].Digest); err == nil && len(m.Manifests) > 0 {
		err = fmt.Errorf("%w: an index of indexes", ErrAnswer)
	}
	return m, err
}

func (c *client) getManifest(ctx context.Context, ref string) (*manifest, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url("manifests", ref).String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", strings.Join([]string{typeManifest, typeIndex, typeDockerManifest, typeDockerList}, ", "))
	r.Header.Set("User-Agent", "unboot")
	answer, err := c.keeper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, fmt.Errorf("the registry has no image %s of %s: %w", ref, c.name, fs.ErrNotExist)
	case http.StatusUnauthorized, http.StatusForbidden:
		hint := " (log in: docker login, podman login)"
		if c.keeper.login != (login{}) {
			hint = " (for the login of its configuration)"
		}
		return nil, fmt.Errorf("the registry answers %d%s: %w", answer.StatusCode, hint, fs.ErrPermission)
	default:
		return nil, fmt.Errorf("the registry answers %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxManifest+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxManifest {
		return nil, fmt.Errorf("%w: a manifest of more than %d bytes", ErrAnswer, maxManifest)
	}
	if strings.HasPrefix(ref, "sha256:") && fmt.Sprintf("sha256:%x", sha256.Sum256(b)) != ref {
		return nil, fmt.Errorf("%w: a manifest with another digest", ErrAnswer)
	}
	return parseManifest(b)
}

func parseManifest(b []byte) (*manifest, error) {
	m := &manifest{}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%w: a manifest that is not JSON", ErrAnswer)
	}
	if len(m.Layers) > maxLayers || len(m.Manifests) > maxLayers {
		return nil, fmt.Errorf("%w: more than %d layers", ErrAnswer, maxLayers)
	}
	for _, d := range m.Layers {
		if !isDigest().MatchString(d.Digest) || d.Size < 0 {
			return nil, fmt.Errorf("%w: a layer with the digest %.100q and %d bytes", ErrAnswer, d.Digest, d.Size)
		}
	}
	return m, nil
}

// archive reports whether a layer is one of a file system, and how it is compressed.
func (d *descriptor) archive() (compression string, ok bool) {
	t := d.MediaType
	switch {
	case !strings.Contains(t, "image.layer.") && !strings.Contains(t, "image.rootfs."):
		return "", false
	case strings.HasSuffix(t, ".tar"):
		return "", true
	case strings.HasSuffix(t, "gzip"):
		return "gzip", true
	case strings.HasSuffix(t, "zstd"):
		return "zstd", true
	}
	return "", false
}
