package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/unboot/unboot/serve"
)

var serveCommand = command{
	name:     "serve",
	short:    "show the files of an image in a browser",
	synopsis: []string{"[OPTION...] IMAGE[:PATH]"},
	brief:    "IMAGE[:PATH]",
	long: `Serves the files of an image, or of a directory in it, by HTTP until it is interrupted:
pages of directories, files (with ranges, so that downloads can be continued), and directories
as zip or tar archives. Nothing can be changed.

Every request needs a token. A new one is made and is part of the address that is printed,
unless --token-file names a file that holds one. Programs send it as a header:

  curl -H "Authorization: Bearer $TOKEN" http://localhost:8080/etc/fstab

It is plain HTTP: for others than this host, put a server in front of it that has TLS.
`,
	args: []kind{kindImagePath},
	options: func(f *flagSet) runFunc {
		s := &fileServer{}
		f.string(&s.listen, "l", "listen", "HOST:PORT", "listen on this address; localhost:8080 by default")
		f.string(&s.socket, "k", "socket", "PATH", "listen on a Unix socket, which must not exist").kind = kindHost
		f.bool(&s.readOnly, "", "read-only", "let nobody write: it is never done, so this only says so")
		f.string(&s.tokenFile, "", "token-file", "FILE", "the token is the first line of this file").kind = kindHost
		return s.run
	},
	examples: []string{"unboot serve disk.qcow2", "unboot serve --listen :8080 --token-file token disk.img:/srv"},
	image:    true,
	serves:   true,
}

// A fileServer is the options of unboot serve.
type fileServer struct {
	listen, socket, tokenFile string
	readOnly                  bool
}

func (s *fileServer) run(a *app, args []string) error {
	switch {
	case len(args) != 1:
		return badUsage("expected one IMAGE[:PATH]")
	case s.socket != "" && s.listen != "":
		return badUsage("--socket and --listen exclude each other")
	}
	token, err := s.token()
	if err != nil {
		return err
	}
	a.lasting = true
	o, t, err := a.target(args[0], false)
	if err != nil {
		return err
	}
	fsys := o.fs
	if p := t.clean(); p != "." {
		if fsys, err = fsys.OpenRoot(p); err != nil {
			return o.about(p, err)
		}
	}
	l, err := listenPrivately(s.socket, cmp.Or(s.listen, "localhost:8080"))
	if err != nil {
		return err
	}
	u := url.URL{Scheme: "http", Host: l.Addr().String(), Path: "/"}
	if s.socket != "" {
		u.Host = "localhost" // what it is called does not matter there
	}
	if s.tokenFile == "" {
		u.RawQuery = url.Values{"token": {token}}.Encode()
	}
	fmt.Fprintln(a.out, u.String())
	a.out.Flush()
	server := &http.Server{
		Handler: serve.New(fsys, serve.Options{Token: token, Title: quote(args[0]), Log: func(name string, err error) {
			if a.ended(err) != nil {
				a.tell(err) // once, and why
				return
			}
			a.warn(fmt.Errorf("%s: %w", quote(name), reason(err)))
		}}),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
	}
	stop := context.AfterFunc(a.ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// token returns what clients have to know.
func (s *fileServer) token() (string, error) {
	if s.tokenFile == "" {
		return rand.Text(), nil
	}
	data, err := os.ReadFile(s.tokenFile)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("%s: no token in it", quote(s.tokenFile))
	}
	return line, nil
}
