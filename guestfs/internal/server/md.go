package server

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/volume/md"
)

// arrays returns the devices of md, in the order of their numbers.
func (s *Server) arrays() ([]*unboot.Device, error) {
	if len(s.config.Drives) == 0 {
		return nil, nil
	}
	img, err := s.image()
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(img.Devices(), func(d *unboot.Device) bool { return d.Volume == nil || d.Volume.Array == nil })
	slices.SortFunc(list, func(a, b *unboot.Device) int { return compareNames(a.Name, b.Name) })
	return list, nil
}

// array returns the device of an array.
func (s *Server) array(name string) (*unboot.Device, *md.Array, error) {
	if d := s.device(name); d != nil && d.Volume != nil && d.Volume.Array != nil {
		if a, ok := d.Volume.Info.(*md.Array); ok {
			return d, a, nil
		}
	}
	return nil, nil, errorf("mdadm exited with status 1: mdadm: %s does not appear to be an md device", name)
}

// ListMdDevices returns md arrays.
func (s *Server) ListMdDevices(ctx context.Context) (list []string, err error) {
	arrays, err := s.arrays()
	for _, d := range arrays {
		list = append(list, d.Name)
	}
	return list, err
}

// MdDetail returns what `mdadm --detail --export` says of an array, with keys in lower case.
func (s *Server) MdDetail(ctx context.Context, a *rpc.MdDetailArgs) ([]rpc.Pair, error) {
	d, array, err := s.array(a.Md)
	if err != nil {
		return nil, err
	}
	list := pairs{}
	list.add("level", md.LevelName(array.Level))
	list.add("devices", strconv.Itoa(array.RaidDisks))
	list.add("metadata", array.Version())
	list.add("uuid", array.UUID.String())
	for _, node := range d.Volume.Nodes {
		if name, ok := strings.CutPrefix(node, "/dev/md/"); ok {
			list.add("devname", name)
			break
		}
	}
	list.add("name", array.Name)
	for _, m := range array.Devices {
		if m.State == md.StateStale || m.State == md.StateRefused || m.State == md.StateFaulty {
			continue
		}
		role := strconv.Itoa(m.Role)
		if m.Role < 0 {
			role = "spare"
		}
		key := "device_" + strings.ToLower(notAlphanumeric.ReplaceAllString(strings.TrimPrefix(m.Member.Name, "/"), "_"))
		list.add(key+"_role", role)
		list.add(key+"_dev", m.Member.Name)
	}
	return list, nil
}

var notAlphanumeric = regexp.MustCompile(`[^0-9A-Za-z]`)

// mdstatMember is a member in a line of /proc/mdstat: "sda1[0](F)".
var mdstatMember = regexp.MustCompile(`^([^\[]+)\[(\d+)\]((?:\([A-Z]\))*)$`)

// MdStat returns the members of an array, as /proc/mdstat has them, in the order of their
// numbers: there, it is that in which they were added.
func (s *Server) MdStat(ctx context.Context, a *rpc.MdStatArgs) ([]rpc.Mdstat, error) {
	d, _, err := s.array(a.Md)
	if err != nil {
		return nil, errorf("%s: MD device not found", strings.TrimPrefix(a.Md, "/dev/"))
	}
	img, err := s.image()
	if err != nil {
		return nil, err
	}
	text, err := img.Kernel().ReadFile("/proc/mdstat", 1<<20)
	if err != nil {
		return nil, perror(err, "open: /proc/mdstat")
	}
	var list []rpc.Mdstat
	for line := range strings.Lines(string(text)) {
		name, rest, ok := strings.Cut(line, " : ")
		if !ok || name != kernelName(d) {
			continue
		}
		for _, word := range strings.Fields(rest) {
			m := mdstatMember.FindStringSubmatch(word)
			if m == nil {
				continue
			}
			index, err := strconv.ParseInt(m[2], 10, 32)
			if err != nil {
				continue
			}
			list = append(list, rpc.Mdstat{
				MdstatDevice: "/dev/" + m[1], MdstatIndex: int32(index), MdstatFlags: strings.NewReplacer("(", "", ")", "").Replace(m[3]),
			})
		}
	}
	slices.SortStableFunc(list, func(a, b rpc.Mdstat) int { return int(a.MdstatIndex) - int(b.MdstatIndex) })
	return list, nil
}

// MdStop stops an array, which stays stopped.
func (s *Server) MdStop(ctx context.Context, a *rpc.MdStopArgs) error {
	d, _, err := s.array(a.Md)
	if err != nil {
		return err
	}
	img, err := s.image()
	if err != nil {
		return err
	}
	err = img.Deactivate(d)
	if errors.Is(err, unix.EBUSY) {
		return errorf("mdadm: Cannot get exclusive access to %s:Perhaps a running process, mounted filesystem or active volume group?", a.Md)
	}
	return perrorAs(err)
}
