package s3disk

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// maxFile is how large a file of the configuration may be, in bytes.
const maxFile = 1 << 20

// A key is who one is. The zero value is nobody.
type key struct{ id, secret, token string }

// A profile is what the files and the environment say.
type profile struct {
	key
	region, endpoint string
}

// readProfile looks for a profile, or the one of the environment if name is "".
func readProfile(ctx context.Context, name string) (*profile, error) {
	named := name != ""
	name = cmp.Or(name, os.Getenv("AWS_PROFILE"), "default")
	home, _ := os.UserHomeDir()
	config, err := readINI(cmp.Or(os.Getenv("AWS_CONFIG_FILE"), filepath.Join(home, ".aws", "config")))
	if err != nil {
		return nil, err
	}
	secrets, err := readINI(cmp.Or(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), filepath.Join(home, ".aws", "credentials")))
	if err != nil {
		return nil, err
	}
	section := config["profile "+name]
	if name == "default" && section == nil {
		section = config[name]
	}
	if section == nil && secrets[name] == nil && name != "default" {
		return nil, fmt.Errorf("there is no profile %q", name)
	}
	p := &profile{
		region:   cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), section["region"]),
		endpoint: cmp.Or(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), section["endpoint_url"]),
	}
	p.key = key{os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")}
	if p.id == "" || named {
		for _, s := range []map[string]string{secrets[name], section} {
			if s["aws_access_key_id"] != "" {
				p.key = key{s["aws_access_key_id"], s["aws_secret_access_key"], s["aws_session_token"]}
				return p, nil
			}
		}
		if command := cmp.Or(section["credential_process"], secrets[name]["credential_process"]); command != "" {
			p.key, err = askProcess(ctx, command)
		}
	}
	return p, err
}

// askProcess runs the program of a profile that knows the key.
func askProcess(ctx context.Context, command string) (key, error) {
	out, err := exec.CommandContext(ctx, "/bin/sh", "-c", command).Output()
	if err != nil {
		return key{}, fmt.Errorf("credential_process: %w", err)
	}
	var v struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	if err := json.Unmarshal(out, &v); err != nil || v.AccessKeyId == "" {
		return key{}, errors.New("credential_process: no key in its answer") // which is secret
	}
	return key{v.AccessKeyId, v.SecretAccessKey, v.SessionToken}, nil
}

// readINI reads the sections of a file. One that is not there has none.
func readINI(path string) (map[string]map[string]string, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && (!st.Mode().IsRegular() || st.Size() > maxFile) {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("not a configuration")}
	}
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseINI(b), nil
}

func parseINI(b []byte) map[string]map[string]string {
	sections := map[string]map[string]string{}
	var section map[string]string
	for line := range bytes.Lines(b) {
		text := string(line)
		switch s := strings.TrimSpace(text); {
		case s == "" || s[0] == '#' || s[0] == ';':
		case s[0] == '[' && strings.HasSuffix(s, "]"):
			name := strings.Join(strings.Fields(s[1:len(s)-1]), " ")
			if section = sections[name]; section == nil {
				section = map[string]string{}
				sections[name] = section
			}
		case text[0] == ' ' || text[0] == '\t': // of a key with several, none of which is ours
		case section != nil:
			k, v, _ := strings.Cut(s, "=")
			section[strings.ToLower(strings.TrimSpace(k))] = strings.TrimSpace(v)
		}
	}
	return sections
}
