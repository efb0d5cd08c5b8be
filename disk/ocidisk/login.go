package ocidisk

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// maxConfig is how large a file with logins may be, in bytes.
const maxConfig = 4 << 20

// A login is who one is for a registry. The zero value is nobody.
type login struct {
	user, password string
	refresh        string // a token to get tokens by, in their place
}

// entry is what a file says of a registry.
type entry struct {
	Auth          string `json:"auth"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
}

type loginFile struct {
	Auths       map[string]entry  `json:"auths"`
	CredHelpers map[string]string `json:"credHelpers"`
	CredsStore  string            `json:"credsStore"`
}

// findLogin looks for a registry in the files of docker(1) and podman(1).
func findLogin(ctx context.Context, host string) (login, error) {
	home, _ := os.UserHomeDir()
	docker := os.Getenv("DOCKER_CONFIG")
	if docker == "" {
		docker = filepath.Join(home, ".docker")
	}
	paths := []string{os.Getenv("REGISTRY_AUTH_FILE"), filepath.Join(docker, "config.json")}
	if run := os.Getenv("XDG_RUNTIME_DIR"); run != "" {
		paths = append(paths, filepath.Join(run, "containers", "auth.json"))
	}
	for _, path := range append(paths, filepath.Join(home, ".config", "containers", "auth.json")) {
		st, err := os.Stat(path)
		if err != nil || !st.Mode().IsRegular() || st.Size() > maxConfig {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var f loginFile
		if json.Unmarshal(b, &f) != nil {
			return login{}, fmt.Errorf("%s: it is not JSON", path) // whose error may have a part of it
		}
		if l, err := f.find(ctx, host); err != nil || l != (login{}) {
			return l, err
		}
	}
	return login{}, nil
}

// find returns what a file says of a registry.
func (f *loginFile) find(ctx context.Context, host string) (login, error) {
	names := []string{host, "https://" + host, "http://" + host, "https://" + host + "/v1/", "https://" + host + "/v2/"}
	if host == "docker.io" {
		names = append(names, "index.docker.io", "https://index.docker.io/v1/", "registry-1.docker.io")
	}
	for _, name := range names {
		if helper := f.CredHelpers[name]; helper != "" {
			return ask(ctx, helper, name)
		}
	}
	for _, name := range names {
		e, ok := f.Auths[name]
		if !ok {
			continue
		}
		if e == (entry{}) && f.CredsStore != "" {
			return ask(ctx, f.CredsStore, name)
		}
		l := login{e.Username, e.Password, e.IdentityToken}
		if e.Auth != "" {
			b, err := base64.StdEncoding.DecodeString(e.Auth)
			if err != nil {
				return login{}, fmt.Errorf("the login for %s is not in base64", host)
			}
			l.user, l.password, _ = strings.Cut(strings.TrimRight(string(b), "\x00"), ":")
		}
		return l, nil
	}
	return login{}, nil
}

// ask asks a helper, docker-credential-NAME.
func ask(ctx context.Context, helper, name string) (login, error) {
	if helper != filepath.Base(helper) {
		return login{}, fmt.Errorf("%q is not the name of a helper", helper)
	}
	cmd := exec.CommandContext(ctx, "docker-credential-"+helper, "get")
	cmd.Stdin = strings.NewReader(name)
	out, err := cmd.Output()
	if err != nil {
		if bytes.Contains(out, []byte("credentials not found")) {
			return login{}, nil
		}
		return login{}, fmt.Errorf("docker-credential-%s: %w", helper, err)
	}
	var v struct{ Username, Secret string }
	if json.Unmarshal(out, &v) != nil {
		return login{}, errors.New("docker-credential-" + helper + ": an answer that is not JSON")
	}
	if v.Username == "<token>" {
		return login{refresh: v.Secret}, nil
	}
	return login{user: v.Username, password: v.Secret}, nil
}
