// Package ftptest has a small FTP server for tests, which keeps one file, and can be made to
// misbehave.
package ftptest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
)

// A Server serves the file "dir/disk.img". What clients see of it is changed by [Server.Set].
type Server struct {
	// B is the content, and MTime the time as MDTM has it: YYYYMMDDhhmmss.
	B     []byte
	MTime string
	// Silent servers answer nothing any more.
	Silent bool
	// Budget is after how many bytes a transfer is cut, or 0.
	Budget int
	// Password is that of the user "me". Others are let in with any.
	Password string

	l   net.Listener
	tls *tls.Config // of data connections, and of AUTH

	mu    sync.Mutex // guards what is exported, too
	conns []net.Conn
}

// Listen starts a server on the loopback address. With a configuration, data connections have
// TLS, and control connections by AUTH, or with implicit from their start.
func Listen(b []byte, password string, config *tls.Config, implicit bool) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if implicit {
		l = tls.NewListener(l, config)
	}
	s := &Server{B: b, MTime: "20200101000000", Password: password, l: l, tls: config}
	go s.accept()
	return s, nil
}

func (s *Server) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		go s.serve(c)
	}
}

// Set calls do, which may change the fields.
func (s *Server) Set(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// Cut ends all connections.
func (s *Server) Cut() {
	s.Set(func() {
		for _, c := range s.conns {
			c.Close()
		}
		s.conns = nil
	})
}

// Close ends the server.
func (s *Server) Close() {
	s.l.Close()
	s.Cut()
}

// URL is that of the file, by a scheme.
func (s *Server) URL(scheme string, user *url.Userinfo) *url.URL {
	return &url.URL{Scheme: scheme, User: user, Host: s.l.Addr().String(), Path: "/dir/disk.img"}
}

func (s *Server) serve(raw net.Conn) {
	s.Set(func() { s.conns = append(s.conns, raw) })
	defer raw.Close()
	c, data := raw, net.Listener(nil)
	r := bufio.NewReader(c)
	say := func(format string, args ...any) { fmt.Fprintf(c, format+"\r\n", args...) }
	say("220 hello")
	rest, user := 0, ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		var b []byte
		var mtime string
		var silent bool
		var budget int
		s.Set(func() { b, mtime, silent, budget = s.B, s.MTime, s.Silent, s.Budget })
		if silent {
			continue
		}
		verb, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "AUTH":
			say("234 go on")
			c = tls.Server(raw, s.tls)
			r = bufio.NewReader(c)
		case "USER":
			user = arg
			say("331 password")
		case "PASS":
			if user == "me" && arg != s.Password {
				say("530 not with that")
				return
			}
			say("230 come in")
		case "FEAT":
			say("211-features\r\n MDTM\r\n REST STREAM\r\n SIZE\r\n211 end")
		case "EPSV":
			if data, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
				return
			}
			say("229 entering (|||%d|)", data.Addr().(*net.TCPAddr).Port)
		case "SIZE", "MDTM", "RETR":
			switch {
			case arg != "dir/disk.img":
				say("550 no such file")
			case verb == "SIZE":
				say("213 %d", len(b))
			case verb == "MDTM":
				say("213 %s", mtime)
			default:
				say("150 here")
				d, err := data.Accept()
				data.Close()
				if err != nil {
					return
				}
				if s.tls != nil {
					d = tls.Server(d, s.tls)
				}
				part := b[min(rest, len(b)):]
				if budget > 0 {
					part = part[:min(budget, len(part))]
				}
				_, err = d.Write(part)
				d.Close()
				if rest = 0; err != nil || budget > 0 {
					say("426 broken off")
				} else {
					say("226 done")
				}
			}
		case "REST":
			fmt.Sscan(arg, &rest)
			say("350 from there")
		default:
			say("200 yes")
		}
	}
}
