package server

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// maxRules bounds the rules of yara(1), in bytes.
const maxRules = 64 << 20

// YaraLoad takes the rules that files are scanned by, as text or compiled.
func (s *Server) YaraLoad(ctx context.Context, in io.Reader) error {
	rules, err := io.ReadAll(io.LimitReader(in, maxRules+1))
	if err != nil {
		return err
	}
	if len(rules) > maxRules {
		return errorf("the rules are larger than %d bytes", maxRules)
	}
	// Rules that are wrong are said so now, as by the daemon.
	if _, err := s.yara(ctx, rules, "/dev/null", false); err != nil {
		return withPrefix(err, "yara_load: ")
	}
	s.yaraRules = rules
	return nil
}

// YaraDestroy forgets the rules.
func (s *Server) YaraDestroy(ctx context.Context) error {
	if s.yaraRules == nil {
		return errNoYara
	}
	s.yaraRules = nil
	return nil
}

var errNoYara = errorf("no yara rules loaded, you must call 'yara_load' first")

// InternalYaraScan sends the names of the rules that match a file.
func (s *Server) InternalYaraScan(ctx context.Context, a *rpc.InternalYaraScanArgs, out io.Writer) error {
	if s.yaraRules == nil {
		return errNoYara
	}
	found, err := s.yara(ctx, s.yaraRules, s.inTree(a.Path), true)
	if err != nil {
		return ofDeviceText(err, a.Path)
	}
	for line := range strings.Lines(found) {
		rule, _, ok := strings.Cut(line, " ")
		if !ok {
			continue
		}
		d := rpc.YaraDetection{YaraName: a.Path, YaraRule: rule}
		c := xdr.NewEncoder(nil)
		d.Code(c)
		b, err := c.Result()
		if err != nil {
			return err
		}
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// yara runs yara(1), which takes rules from a file only.
func (s *Server) yara(ctx context.Context, rules []byte, file string, tree bool) (string, error) {
	if err := needTools("yara"); err != nil {
		return "", err
	}
	options := "-w"
	if bytes.HasPrefix(rules, []byte("YARA")) {
		options = "-wC"
	}
	out, _, err := s.runProgram(ctx, program{
		name: "sh", args: []string{"-c", `cat > /tmp/rules && exec yara "$1" /tmp/rules "$2"`, "sh", options, file},
		tree: tree, in: bytes.NewReader(rules),
	})
	return out, err
}
