package s3disk

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// emptyHash is the SHA-256 of a request without a body, which all of ours are.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// A signer signs requests for one host and sends them.
type signer struct {
	through http.RoundTripper
	host    string
	key     key
	now     func() time.Time

	mu     sync.Mutex
	region string // guarded by mu
}

// RoundTrip implements [http.RoundTripper]. If the server says that the bucket is in another
// region, that is signed for from then on.
func (s *signer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	region := s.region
	s.mu.Unlock()
	answer, err := s.through.RoundTrip(s.prepare(r, region))
	if err != nil || answer.StatusCode < 300 || r.URL.Host != s.host {
		return answer, err
	}
	other := answer.Header.Get("X-Amz-Bucket-Region")
	if other == "" || other == region || s.key.id == "" || strings.ContainsAny(other, "/ \n") {
		return answer, nil
	}
	io.CopyN(io.Discard, answer.Body, 64<<10)
	answer.Body.Close()
	s.mu.Lock()
	s.region = other
	s.mu.Unlock()
	return s.through.RoundTrip(s.prepare(r, other))
}

// prepare returns a request as it is sent: signed, if it is for the host and there is a key.
func (s *signer) prepare(r *http.Request, region string) *http.Request {
	r = r.Clone(r.Context())
	// What package httpdisk knows of the host, such as an entry of netrc(5), is not for S3.
	r.Header.Del("Authorization")
	if r.URL.Host == s.host && s.key.id != "" {
		sign(r, s.key, region, s.now().UTC())
	}
	return r
}

// sign adds a signature of version 4 to a request, by its headers.
func sign(r *http.Request, k key, region string, now time.Time) {
	stamp := now.Format("20060102T150405Z")
	day := stamp[:8]
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("X-Amz-Content-Sha256", emptyHash)
	if k.token != "" {
		r.Header.Set("X-Amz-Security-Token", k.token)
	}
	signed := []string{"host"}
	for name := range r.Header {
		if name = strings.ToLower(name); name == "range" || strings.HasPrefix(name, "x-amz-") {
			signed = append(signed, name)
		}
	}
	slices.Sort(signed)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, r.URL.EscapedPath(), "")
	for _, name := range signed {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.URL.Host
		}
		fmt.Fprintf(&b, "%s:%s\n", name, strings.TrimSpace(value))
	}
	names := strings.Join(signed, ";")
	fmt.Fprintf(&b, "\n%s\n%s", names, emptyHash)
	scope := day + "/" + region + "/s3/aws4_request"
	sum := sha256.Sum256([]byte(b.String()))
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	secret := []byte("AWS4" + k.secret)
	for _, part := range []string{day, region, "s3", "aws4_request", text} {
		secret = digest(secret, part)
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%x", k.id, scope, names, secret))
}

func digest(secret []byte, text string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// escape writes a key as it is in the path of a URL that is signed.
func escape(key string) string {
	var b strings.Builder
	for i := 0; i < len(key); i++ {
		c := key[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
