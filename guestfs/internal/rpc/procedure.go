package rpc

import "github.com/unboot/unboot/guestfs/internal/protocol"

// Procedure is what is known of a procedure.
type Procedure struct {
	Name     string
	Transfer protocol.Transfer
	Group    string // optional group, or ""
}

// Lookup returns the procedure of a number, or nil.
func Lookup(number uint32) *Procedure {
	if number >= uint32(len(procedures)) || procedures[number].Name == "" {
		return nil
	}
	return &procedures[number]
}

// Group is an optional group of procedures. Programs ask whether one is available.
type Group struct {
	Name       string
	Procedures []uint32
}
