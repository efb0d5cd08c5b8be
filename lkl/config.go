package lkl

import (
	"fmt"
	"strings"
	"time"
)

// The bounds of Config's fields.
const (
	DefaultMemory  = 128 << 20
	MinMemory      = 32 << 20
	MaxMemory      = 64 << 30
	DefaultWorkers = 8
	MaxWorkers     = 256
	MinPrograms    = 32 << 20
)

// Config says how a kernel is to run. The zero value, and a nil *Config, are
// good for most uses. It is copied by [Boot]; later changes have no effect.
type Config struct {
	// Memory is the size of the kernel's RAM in bytes; 0 is DefaultMemory.
	// It bounds what the process can use: the kernel starts with 26 MiB or an
	// eighth of it. If it writes it takes more when it would have to give up
	// cached data, otherwise when it misses what it has given up.
	Memory int64

	// Workers is the most system calls that run at once; 0 is
	// DefaultWorkers, or 1 if Clock is set. More may be in flight, and wait
	// for a worker.
	Workers int

	// Programs is the size in bytes of the memory for programs (see [Kernel.Exec]),
	// from MinPrograms to MaxMemory, rounded up to a multiple of 8 MiB; 0 is for a
	// kernel that is to run none. It bounds what all of them can use together, and
	// costs nothing before there is one: the host gives them what they use.
	Programs int64

	// Clock is the time at which the kernel's clock stands, always: files
	// it writes carry it. With it, random numbers follow from a fixed seed,
	// nothing is written because time has passed, and what the kernel does in
	// the background is done between one call and the next. So the same
	// calls, one after the other, make the same image, byte for byte. A wait
	// for time to pass, such as poll's, is over as soon as nothing else is to
	// do. The zero Time means the host's clock, running; the beginning of
	// 1970 is taken for a nanosecond later.
	Clock time.Time

	// Log, if not nil, is called with each line that the kernel logs,
	// without its newline, from one goroutine. While it runs the kernel may
	// have to wait before it can log more, so it should be quick and must
	// not call methods of the Kernel.
	Log func(line string)

	// Cmdline holds more words for the kernel's command line, as in the
	// kernel's Documentation/admin-guide/kernel-parameters.txt.
	Cmdline string

	// Testing makes the kernel obey [Kernel.Hostcall] and [Kernel.Panic].
	Testing bool

	spoil func(*abiHeader) // for tests: changes what the kernel is told
}

// withDefaults returns a copy of c with every zero filled in.
func (c *Config) withDefaults() (Config, error) {
	var cfg Config
	if c != nil {
		cfg = *c
	}
	if cfg.Memory == 0 {
		cfg.Memory = DefaultMemory
	}
	if cfg.Workers == 0 {
		cfg.Workers = DefaultWorkers
		if !cfg.Clock.IsZero() {
			cfg.Workers = 1
		}
	}
	switch {
	case cfg.Memory < MinMemory || cfg.Memory > MaxMemory:
		return cfg, fmt.Errorf("lkl: memory of %d bytes is not between %d and %d", cfg.Memory, MinMemory, int64(MaxMemory))
	case cfg.Programs != 0 && (cfg.Programs < MinPrograms || cfg.Programs > MaxMemory):
		return cfg, fmt.Errorf("lkl: memory for programs of %d bytes is not between %d and %d", cfg.Programs, MinPrograms, int64(MaxMemory))
	case cfg.Workers < 1 || cfg.Workers > MaxWorkers:
		return cfg, fmt.Errorf("lkl: %d workers are not between 1 and %d", cfg.Workers, MaxWorkers)
	case len(quiet)+len(cfg.Cmdline) >= cmdlineSize:
		return cfg, fmt.Errorf("lkl: command line of %d bytes is longer than %d", len(cfg.Cmdline), cmdlineSize-1-len(quiet))
	case strings.IndexByte(cfg.Cmdline, 0) >= 0:
		return cfg, fmt.Errorf("lkl: command line holds a NUL")
	case !cfg.Clock.IsZero() && cfg.Clock.Unix() < 0:
		return cfg, fmt.Errorf("lkl: clock %v is before 1970", cfg.Clock)
	}
	cfg.Programs = (cfg.Programs + programsUnit - 1) / programsUnit * programsUnit
	return cfg, nil
}
