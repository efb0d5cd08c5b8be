package bitlocker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"

	"github.com/unboot/unboot/volume"
)

// A dataKey is what decrypts the sectors.
type dataKey struct {
	cipher string // in the notation of dm-crypt
	key    []byte
	sector int64 // in bytes
}

// unlock looks for the key of the data: the one that lies open beside it, if protection is
// suspended, or one that the keyring has. The lock says why there is none; the error, why
// the key that fits is of no use.
func unlock(ctx context.Context, m *volume.Member, meta *metadata, env *volume.Env) (*dataKey, *volume.Lock, error) {
	lock := meta.lock()
	for i, p := range meta.Protectors {
		if p.Type != ClearKey {
			continue
		}
		if master := meta.master(i, meta.vmks[i].clear); master != nil {
			key, err := meta.data(master)
			return key, nil, err
		}
	}
	if env.Keys == nil {
		return nil, lock, nil
	}
	for k, err := range env.Keys.Keys(m, lock) {
		if err != nil {
			lock.Err = err
			return nil, lock, nil
		}
		key, err := meta.try(ctx, m, env, k)
		k.Wipe()
		if key != nil || err != nil {
			return key, nil, err
		}
		lock.Tried++
		if err := context.Cause(ctx); err != nil {
			lock.Err = err
			break
		}
	}
	return nil, lock, nil
}

// lock returns what would open the volume.
func (meta *metadata) lock() *volume.Lock {
	lock := &volume.Lock{Format: "BitLocker"}
	usable := false
	for i, p := range meta.Protectors {
		slot := volume.KeySlot{ID: strconv.Itoa(i), Descr: p.Type.String() + " {" + p.UUID + "}"}
		switch p.Type {
		case Password:
			slot.Kind = volume.Passphrase
		case RecoveryPassword:
			slot.Kind = volume.Recovery
		case ExternalKey:
			slot.Kind = volume.StartupKey
		}
		usable = usable || slot.Kind != ""
		lock.Slots = append(lock.Slots, slot)
	}
	if !usable {
		lock.Err = errors.New("it has no password, recovery password or startup key: only the machine that encrypted it opens it")
	}
	return lock
}

// try returns the key of the data if k leads to it, and nil if it does not.
func (meta *metadata) try(ctx context.Context, m *volume.Member, env *volume.Env, k volume.Key) (*dataKey, error) {
	if k.Kind == volume.VolumeKey {
		return meta.given(m, env, k.Secret), nil
	}
	// A passphrase may be what is in a file, so it may be any of the three.
	any := k.Kind == volume.Passphrase
	if any || k.Kind == volume.StartupKey {
		if key, id, ok := startupKey(k.Secret); ok {
			for i, p := range meta.Protectors {
				if p.Type != ExternalKey || p.UUID != id {
					continue
				}
				if master := meta.master(i, key); master != nil {
					return meta.data(master)
				}
			}
		}
	}
	if hash, ok := recoveryHash(k.Secret); ok && (any || k.Kind == volume.Recovery) {
		if master := meta.derived(ctx, RecoveryPassword, hash); master != nil {
			return meta.data(master)
		}
	}
	if hash, ok := passwordHash(k.Secret); ok && any {
		if master := meta.derived(ctx, Password, hash); master != nil {
			return meta.data(master)
		}
	}
	return nil, nil
}

// derived returns the master key, if one of the protectors of a type fits a password.
func (meta *metadata) derived(ctx context.Context, t ProtectorType, hash [32]byte) []byte {
	defer clear(hash[:])
	for i, p := range meta.Protectors {
		if p.Type != t || meta.vmks[i].salt == nil {
			continue
		}
		key := stretch(ctx, hash, meta.vmks[i].salt)
		if key == nil {
			return nil
		}
		master := meta.master(i, key)
		clear(key)
		if master != nil {
			return master
		}
	}
	return nil
}

// master returns the master key of a protector, or nil if the key does not fit.
func (meta *metadata) master(i int, key []byte) []byte {
	master, _ := meta.vmks[i].key.open(key)
	return master
}

// data returns the key of the data, and wipes the master key.
func (meta *metadata) data(master []byte) (*dataKey, error) {
	defer clear(master)
	if meta.seal != nil {
		// Whoever has the disk but not the key could have changed where things are.
		hash, _ := meta.seal.open(master)
		sum := sha256.Sum256(meta.block)
		if subtle.ConstantTimeCompare(hash, sum[:]) != 1 {
			return nil, errors.New("the metadata was changed by something that does not have the key")
		}
	}
	key, method := meta.fvek.open(master)
	if key == nil {
		return nil, errors.New("the master key does not fit the key of the data")
	}
	name, n := method.cipher()
	switch {
	case name == "":
		clear(key)
		return nil, fmt.Errorf("the data is encrypted by a method that is not known: %v", method)
	case method == AESCBC128Diffuser && len(key) == 64:
		// Each of its two keys has room for 256 bits.
		copy(key[16:32], key[32:48])
		clear(key[32:])
		key = key[:32]
	case len(key) != n:
		clear(key)
		return nil, fmt.Errorf("the key of the data has %d bytes, not the %d of %v", len(key), n, method)
	}
	return &dataKey{cipher: name, key: key, sector: meta.boot.sectorSize}, nil
}

// given returns a key of the data that somebody has, if the boot sector that it gives is
// one of a file system.
func (meta *metadata) given(m *volume.Member, env *volume.Env, secret []byte) *dataKey {
	name, n := meta.Method.cipher()
	if len(secret) != n || n == 0 || meta.headSize < volume.SectorSize || env.Decrypt == nil {
		return nil
	}
	b := make([]byte, volume.SectorSize)
	if m.ReadFull(b, meta.headAt) != nil {
		return nil
	}
	// The initialization vector is a number of sectors for XTS and of bytes for CBC: of
	// bigger sectors the first part decrypts as a small one, but not through the diffuser.
	sector := uint64(meta.headAt / volume.SectorSize)
	if meta.Method == AESXTS128 || meta.Method == AESXTS256 {
		sector = uint64(meta.headAt / meta.boot.sectorSize)
	}
	if env.Decrypt(name, secret, sector, b) != nil || b[510] != 0x55 || b[511] != 0xaa {
		return nil
	}
	return &dataKey{cipher: name, key: bytes.Clone(secret), sector: meta.boot.sectorSize}
}
