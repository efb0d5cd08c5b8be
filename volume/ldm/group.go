package ldm

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/unboot/unboot/volume"
)

// A replica is what one device holds of a group.
type replica struct {
	m  *volume.Member
	h  *header
	db *database // nil if it cannot be read
}

// Scan returns the disk groups that the members belong to, ordered by GUID. Partitions
// among the members are passed over: the disks have it all. What is wrong with a disk, or
// with its group, is noted in the Problems of the members.
func Scan(ctx context.Context, members []*volume.Member) []*Group {
	groups := map[string][]*replica{}
	for _, m := range members {
		if ctx.Err() != nil {
			break
		}
		if m.PartNumber != 0 {
			continue
		}
		h, err := readHeader(m)
		if err != nil {
			note(m, "%v", err)
			continue
		}
		c := &replica{m: m, h: h}
		if c.db, err = readDatabase(m, h); err != nil {
			note(m, "%v", err)
		}
		groups[h.group] = append(groups[h.group], c)
	}
	var list []*Group
	for guid, copies := range groups {
		if g := newGroup(guid, copies); g != nil {
			list = append(list, g)
		}
	}
	slices.SortFunc(list, func(a, b *Group) int { return cmp.Compare(a.GUID, b.GUID) })
	return list
}

// newGroup reads the best of the copies, which is what was committed last; of copies of the
// same age, the one with no transaction under way. It returns nil if none can be read.
func newGroup(guid string, copies []*replica) *Group {
	sorted := slices.DeleteFunc(slices.Clone(copies), func(c *replica) bool { return c.db == nil })
	slices.SortStableFunc(sorted, func(a, b *replica) int {
		if n := cmp.Compare(b.db.sequence(), a.db.sequence()); n != 0 {
			return n
		}
		return cmp.Compare(a.db.rank(), b.db.rank())
	})
	for i, c := range sorted {
		t := &tables{name: c.db.name}
		records, problems := c.db.records(c.m)
		for _, r := range records {
			if err := t.add(r, c.db); err != nil {
				problems = append(problems, err.Error())
			}
		}
		if len(t.disks) == 0 && i < len(sorted)-1 {
			note(c.m, "its database is of no use: %v", problems)
			continue
		}
		g := &Group{GUID: guid, Name: t.name, Sequence: c.db.sequence(), Problems: firsts(problems)}
		if c.db.status != clean {
			g.problem("a change to the group was cut off; it is taken for %s", c.db.outcome())
		}
		g.link(t, c.db)
		g.assign(copies, sorted)
		for _, c := range copies {
			for _, p := range g.Problems {
				note(c.m, "disk group %q: %s", g.Name, p)
			}
		}
		return g
	}
	for _, c := range copies {
		note(c.m, "no disk of its group %s has a database that can be read", guid)
	}
	return nil
}

// sequence returns the number of the transaction whose outcome the database shows.
func (db *database) sequence() uint64 {
	if db.status == commit {
		return max(db.committed, db.pending)
	}
	return db.committed
}

func (db *database) rank() int {
	if db.status == clean {
		return 0
	}
	return 1
}

func (db *database) outcome() string {
	if db.status == commit {
		return "done"
	}
	return "not done"
}

// maxProblems bounds how much is said of one database.
const maxProblems = 16

func firsts(problems []string) []string { return problems[:min(len(problems), maxProblems)] }

func (g *Group) problem(format string, args ...any) {
	if len(g.Problems) < maxProblems {
		g.Problems = append(g.Problems, fmt.Sprintf(format, args...))
	}
}

// assign finds the devices of the group's disks.
func (g *Group) assign(copies, readable []*replica) {
	disks := map[string]*Disk{}
	for _, d := range g.Disks {
		disks[d.GUID] = d
	}
	for _, c := range copies {
		d := disks[c.h.disk]
		switch {
		case d == nil:
			note(c.m, "its group %q does not know it: it may have been removed", g.Name)
			continue
		case d.Member != nil:
			d.twins = true
			g.problem("%s and %s both claim to be the disk %q", d.Member.Name, c.m.Name, d.Name)
			continue
		}
		d.Member = c.m
		d.DataStart, d.DataSize = c.h.dataStart, c.h.data
		d.MetadataStart, d.MetadataSize = c.h.dbStart, c.h.db
		if c.db != nil && c.db.sequence() != g.Sequence {
			d.Stale = true
			note(c.m, "its database is older (transaction %d) than that of its group (%d): it was away while the others were in use",
				c.db.sequence(), g.Sequence)
		}
	}
}
