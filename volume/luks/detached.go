package luks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/unboot/unboot/volume"
)

// Detached is the kind of volumes whose header is on another device of the image. Only a key
// can say that a device has such data.
var Detached = volume.Type{
	Name:   "luks-detached",
	Blind:  true,
	Beside: true,
	Alone:  true,
	Open:   openDetached,
}

// openDetached opens the first member; the others may have headers.
func openDetached(ctx context.Context, members []*volume.Member, env *volume.Env) (list []*volume.Volume) {
	if len(members) == 0 || env.Keys == nil {
		return nil
	}
	data, others := members[0], members[1:]
	lock := &volume.Lock{Format: "LUKS with a detached header"}
	var locked *volume.Volume
	for key, err := range env.Keys.Keys(data, lock) {
		if err != nil {
			break
		}
		if key.Params["header"] == "" {
			key.Wipe()
			continue
		}
		o, err := detached(ctx, env, data, others, key.Params["header"])
		if err != nil {
			key.Wipe()
			data.Problems = append(data.Problems, fmt.Sprintf("%s: %v", data.Name, err))
			continue
		}
		v, below := o.plan()
		if len(v.Problems) > 0 {
			key.Wipe()
			return []*volume.Volume{v}
		}
		found, err := o.try(key)
		key.Wipe()
		if found != nil {
			return o.open(v, below, found)
		}
		if locked == nil {
			locked = v
			lock.Slots = o.header.slots(env.Unbounded)
		}
		lock.Tried++
		if !errors.Is(err, ErrPassphrase) {
			lock.Err = err
		}
	}
	if locked == nil {
		return nil
	}
	locked.Locked = lock
	return []*volume.Volume{locked}
}

// detached returns the opening of data by the header on one of the other members.
func detached(ctx context.Context, env *volume.Env, data *volume.Member, others []*volume.Member, name string) (*opening, error) {
	for _, m := range others {
		uuid := "UUID="
		if m.Info != nil {
			uuid += m.Info.UUID
		}
		if m == data || name != m.Name && (uuid == "UUID=" || !strings.EqualFold(name, uuid)) {
			continue
		}
		h, err := ReadHeader(m.R, m.Size)
		if err != nil {
			return nil, fmt.Errorf("its header on %s: %w", m.Name, err)
		}
		return &opening{ctx: ctx, env: env, header: h, area: m, data: data}, nil
	}
	return nil, fmt.Errorf("its header %q is not there", name)
}
