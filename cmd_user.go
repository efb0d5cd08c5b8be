package unboot

import (
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/unboot/unboot/lkl"
)

// maxDatabase bounds passwd(5), group(5) and hostname(5) of a guest, in bytes.
const maxDatabase = 4 << 20

// A cmdUser is who runs a command.
type cmdUser struct {
	lkl.Identity
	name, home, shell string
}

// who returns the user of a command, from the guest's databases.
func (c *Cmd) who() (*cmdUser, error) {
	passwd := c.database("passwd")
	if c.Credential != nil {
		u := lookUser(passwd, strconv.FormatUint(uint64(c.Credential.UID), 10))
		u.Identity = *c.Credential
		return u, nil
	}
	user, group, withGroup := strings.Cut(c.User, ":")
	if user == "" {
		user = "0"
	}
	u := lookUser(passwd, user)
	u.Umask = 0o022
	groups := c.database("group")
	if u.name != "" && !withGroup {
		u.Groups = groupsOf(groups, u.name, u.GID)
	}
	var err error
	if u.name == "" {
		if u.UID, err = parseID(user); err != nil {
			return nil, fmt.Errorf("user %q is not in the guest's /etc/passwd", user)
		}
	}
	if withGroup {
		u.GID, err = groupID(groups, group)
	}
	return u, err
}

// lookUser returns what passwd(5) says of a user, who is given by name or by number; of one
// who is not there, nothing.
func lookUser(passwd [][]string, user string) *cmdUser {
	for _, field := range []int{0, 2} {
		for _, line := range passwd {
			if len(line) < 7 || line[field] != user || line[0] == "" {
				continue
			}
			uid, err := parseID(line[2])
			gid, err2 := parseID(line[3])
			if err == nil && err2 == nil {
				return &cmdUser{Identity: lkl.Identity{UID: uid, GID: gid}, name: line[0], home: line[5], shell: line[6]}
			}
		}
	}
	return &cmdUser{}
}

// groupID returns the number of a group, which is given by name or by number.
func groupID(groups [][]string, group string) (uint32, error) {
	for _, line := range groups {
		if len(line) >= 3 && line[0] == group {
			return parseID(line[2])
		}
	}
	id, err := parseID(group)
	if err != nil {
		return 0, fmt.Errorf("group %q is not in the guest's /etc/group", group)
	}
	return id, nil
}

// maxGroups is how many supplementary groups a program can have.
const maxGroups = 32

// groupsOf returns the supplementary groups of a user, as initgroups(3): the user's own and
// those that have the name among their members.
func groupsOf(groups [][]string, name string, gid uint32) []uint32 {
	list := []uint32{gid}
	for _, line := range groups {
		if len(line) < 4 || !slices.Contains(strings.Split(line[3], ","), name) {
			continue
		}
		if id, err := parseID(line[2]); err == nil && !slices.Contains(list, id) && len(list) < maxGroups {
			list = append(list, id)
		}
	}
	return list
}

// parseID reads the number of a user or a group.
func parseID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err == nil && n == math.MaxUint32 {
		err = fs.ErrInvalid // it stands for none
	}
	return uint32(n), err
}

// database returns the lines of a database of the guest in /etc, each cut at its colons.
// There is none if it cannot be read.
func (c *Cmd) database(name string) [][]string {
	var lines [][]string
	for line := range strings.Lines(c.readEtc(name)) {
		line = strings.TrimRight(line, "\r\n")
		if line != "" && line[0] != '#' {
			lines = append(lines, strings.Split(line, ":"))
		}
	}
	return lines
}

// readEtc returns a small file of the guest's /etc, or "".
func (c *Cmd) readEtc(name string) string {
	if c.f == nil {
		return ""
	}
	text, err := c.f.view.ReadFile("/etc/"+name, maxDatabase)
	if err != nil {
		return ""
	}
	return string(text)
}

// maxHostname is the longest name of a host, in bytes.
const maxHostname = 63

// hostname returns the host name that the program sees.
func (c *Cmd) hostname() string {
	if c.Hostname != "" {
		return c.Hostname
	}
	for line := range strings.Lines(c.readEtc("hostname")) {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' {
			return line[:min(len(line), maxHostname)]
		}
	}
	return ""
}
