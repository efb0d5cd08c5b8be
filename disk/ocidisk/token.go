package ocidisk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

const (
	// maxToken is how large the answer of a server for tokens may be, in bytes.
	maxToken = 1 << 20
	// maxBody is how much of an answer is read that is of no use, so that the connection is.
	maxBody = 64 << 10
)

// A keeper sends requests, and those for the registry with what that wants to be let in by.
type keeper struct {
	through http.RoundTripper
	host    string // of the registry, as it is in its URLs
	name    string // of the image
	login   login

	mu     sync.Mutex
	header string // guarded by mu: the Authorization
}

// RoundTrip implements [http.RoundTripper].
func (k *keeper) RoundTrip(r *http.Request) (*http.Response, error) {
	k.mu.Lock()
	header := k.header
	k.mu.Unlock()
	answer, err := k.through.RoundTrip(k.prepare(r, header))
	if err != nil || answer.StatusCode != http.StatusUnauthorized || r.URL.Host != k.host {
		return answer, err
	}
	// At first, and when a token is over.
	fresh, err := k.authorize(r.Context(), r.URL, answer.Header.Values("WWW-Authenticate"))
	if err != nil || fresh == "" || fresh == header {
		return answer, err
	}
	io.CopyN(io.Discard, answer.Body, maxBody)
	answer.Body.Close()
	k.mu.Lock()
	k.header = fresh
	k.mu.Unlock()
	return k.through.RoundTrip(k.prepare(r, fresh))
}

func (k *keeper) prepare(r *http.Request, header string) *http.Request {
	r = r.Clone(r.Context())
	// What package httpdisk knows of the host is not for a registry.
	r.Header.Del("Authorization")
	if r.URL.Host == k.host && header != "" {
		r.Header.Set("Authorization", header)
	}
	return r
}

// authorize returns the header that a registry wants.
func (k *keeper) authorize(ctx context.Context, at *url.URL, challenges []string) (string, error) {
	if at.Scheme != "https" && !local(at.Hostname()) {
		return "", nil
	}
	for _, c := range challenges {
		scheme, rest, _ := strings.Cut(c, " ")
		switch {
		case strings.EqualFold(scheme, "bearer"):
			token, err := k.token(ctx, at, parameters(rest))
			return "Bearer " + token, err
		case strings.EqualFold(scheme, "basic") && k.login.user != "":
			r := &http.Request{Header: http.Header{}}
			r.SetBasicAuth(k.login.user, k.login.password)
			return r.Header.Get("Authorization"), nil
		}
	}
	return "", nil
}

var errToken = errors.New("the registry gives no token")

// token asks for one, at the address that a challenge has.
func (k *keeper) token(ctx context.Context, at *url.URL, p map[string]string) (string, error) {
	u, err := url.Parse(p["realm"])
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && at.Scheme == "http" && local(u.Hostname())) {
		return "", fmt.Errorf("%w: it names no server for them by https", errToken)
	}
	q := u.Query()
	q.Set("service", p["service"])
	q.Set("scope", "repository:"+k.name+":pull")
	var r *http.Request
	if k.login.refresh != "" {
		q.Set("grant_type", "refresh_token")
		q.Set("refresh_token", k.login.refresh)
		q.Set("client_id", "unboot")
		u.RawQuery = ""
		r, err = http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(q.Encode()))
	} else {
		u.RawQuery = q.Encode()
		r, err = http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	}
	if err != nil {
		return "", errToken
	}
	if k.login.refresh != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else if k.login.user != "" {
		r.SetBasicAuth(k.login.user, k.login.password)
	}
	r.Header.Set("User-Agent", "unboot")
	answer, err := k.through.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%w: %s answers %d", errToken, u.Host, answer.StatusCode)
	}
	var v struct {
		Token  string `json:"token"`
		Access string `json:"access_token"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxToken)).Decode(&v); err != nil {
		return "", fmt.Errorf("%w: %s answers with what is none", errToken, u.Host)
	}
	if v.Token == "" {
		v.Token = v.Access
	}
	if v.Token == "" || strings.ContainsAny(v.Token, "\r\n") {
		return "", errToken
	}
	return v.Token, nil
}

// parameters reads those of a challenge: k="v",k="v".
func parameters(s string) map[string]string {
	list := map[string]string{}
	for s != "" {
		k, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		v, more := "", ""
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			v, more, _ = strings.Cut(quoted, `"`)
		} else {
			v, more, _ = strings.Cut(rest, ",")
		}
		list[strings.ToLower(strings.Trim(k, " ,"))] = v
		s = strings.TrimLeft(more, " ,")
	}
	return list
}
