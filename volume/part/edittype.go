package part

import (
	"fmt"

	"github.com/unboot/unboot/internal/nonzero"
)

func (m *dosEdit) setType(number int, kind string) error {
	e, err := m.entry(number)
	if err != nil {
		return err
	}
	b, err := parseByte(kind)
	if err != nil {
		return err
	}
	old := e.decode()
	to := (&mbrEntry{kind: b}).extended()
	if old.extended() == to {
		e[4] = b
		return nil
	}
	if err := m.mayTurn(number, to); err != nil {
		return err
	}
	e[4] = b
	m.forgetChain()
	// As with sfdisk(8), an extended partition shows what its sectors describe already,
	// which brings back logical partitions after a type was changed by mistake.
	m.loadChain()
	_, all := m.extended()
	if first := m.onDisk[all.first]; first != nil && !nonzero.In(first) {
		m.oddChain = nil // nothing is there: the chain begins with it
	}
	return nil
}

// mayTurn checks that a partition may become an extended one, or cease to be one. With an
// extended one, its logical partitions would be lost without a word.
func (m *dosEdit) mayTurn(number int, toExtended bool) error {
	other, _ := m.extended()
	switch {
	case number > 4:
		return fmt.Errorf("%w: logical partition %d cannot be an extended one", ErrKind, number)
	case toExtended && other != 0:
		return fmt.Errorf("%w: partition %d cannot be an extended one, as partition %d is", ErrKind, number, other)
	case !toExtended && (len(m.logical) > 0 || m.oddChain != nil):
		return fmt.Errorf("%w: there are logical partitions in partition %d, which can only be an extended one", ErrKind, number)
	}
	return nil
}
