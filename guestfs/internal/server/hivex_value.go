package server

import (
	"context"
	"math"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/inspect/hive"
)

// HivexValueKey returns the name of a value, "" for the default one.
func (s *Server) HivexValueKey(ctx context.Context, a *rpc.HivexValueKeyArgs) (string, error) {
	h, err := s.openHive("hivex_value_key")
	if err != nil {
		return "", err
	}
	name, err := h.ValueName(value64(a.Valueh))
	return name, hivexError(err)
}

// HivexValueType returns the type of a value, the number that Windows has for it.
func (s *Server) HivexValueType(ctx context.Context, a *rpc.HivexValueTypeArgs) (int64, error) {
	h, err := s.openHive("hivex_value_type")
	if err != nil {
		return 0, err
	}
	t, _, err := h.ValueType(value64(a.Valueh))
	return int64(t), hivexError(err)
}

// HivexValueValue returns the bytes of a value.
func (s *Server) HivexValueValue(ctx context.Context, a *rpc.HivexValueValueArgs) ([]byte, error) {
	h, err := s.openHive("hivex_value_value")
	if err != nil {
		return nil, err
	}
	_, data, err := h.ValueData(value64(a.Valueh))
	return data, hivexError(err)
}

// HivexValueString returns a value that is a string.
func (s *Server) HivexValueString(ctx context.Context, a *rpc.HivexValueStringArgs) (string, error) {
	h, err := s.openHive("hivex_value_string")
	if err != nil {
		return "", err
	}
	text, err := h.ValueString(value64(a.Valueh))
	return text, hivexError(err)
}

// HivexValueUtf8 is HivexValueString, under the name that it had first.
func (s *Server) HivexValueUtf8(ctx context.Context, a *rpc.HivexValueUtf8Args) (string, error) {
	return s.HivexValueString(ctx, &rpc.HivexValueStringArgs{Valueh: a.Valueh})
}

// HivexNodeAddChild makes a node.
func (s *Server) HivexNodeAddChild(ctx context.Context, a *rpc.HivexNodeAddChildArgs) (int64, error) {
	h, err := s.openHive("hivex_node_add_child")
	if err != nil {
		return 0, err
	}
	id, err := h.AddChild(node64(a.Parent), a.Name)
	return int64(id), hivexError(err)
}

// HivexNodeDeleteChild removes a node with all that is below it.
func (s *Server) HivexNodeDeleteChild(ctx context.Context, a *rpc.HivexNodeDeleteChildArgs) error {
	h, err := s.openHive("hivex_node_delete_child")
	if err != nil {
		return err
	}
	return hivexError(h.DeleteChild(node64(a.Nodeh)))
}

// HivexNodeSetValue makes a value, or replaces it.
func (s *Server) HivexNodeSetValue(ctx context.Context, a *rpc.HivexNodeSetValueArgs) error {
	h, err := s.openHive("hivex_node_set_value")
	if err != nil {
		return err
	}
	if a.T < 0 || a.T > math.MaxUint32 {
		return perrorText(unix.EINVAL, "%d is the number of no type", a.T)
	}
	return hivexError(h.SetValue(node64(a.Nodeh), hive.Value{Name: a.Key, Type: hive.Type(a.T), Data: a.Val}))
}
