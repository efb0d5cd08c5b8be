package server

import "github.com/unboot/unboot/guestfs/internal/protocol"

// Local returns what calls the server from the same program. It begins to open the
// drives, as Serve does.
func Local(s *Server) *protocol.Local {
	if len(s.config.Drives) > 0 {
		go s.image()
	}
	return protocol.NewLocal(&protocol.Server{Handler: dispatcher{s}, Panic: func(v any, stack []byte) {
		s.logf("panic: %v\n%s", v, stack)
	}})
}
