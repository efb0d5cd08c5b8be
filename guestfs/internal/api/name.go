package api

import (
	"maps"
	"slices"
	"strings"
)

// GoName returns the exported Go name of a function, structure or parameter:
// is_file becomes IsFile.
func GoName(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		if word == "" {
			continue
		}
		b.WriteString(strings.ToUpper(word[:1]))
		b.WriteString(word[1:])
	}
	return b.String()
}

// BindingName returns the name that the official Go binding gives a function,
// parameter or field: is_file becomes Is_file.
func BindingName(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// bindingStructs are the names that the official Go binding gives structures.
var bindingStructs = map[string]string{
	"btrfsbalance": "BTRFSBalance", "btrfsqgroup": "BTRFSQgroup", "btrfsscrub": "BTRFSScrub",
	"btrfssubvolume": "BTRFSSubvolume", "inotify_event": "INotifyEvent", "isoinfo": "ISOInfo",
	"lvm_lv": "LV", "lvm_pv": "PV", "lvm_vg": "VG", "mdstat": "MDStat", "statns": "StatNS",
	"statvfs": "StatVFS", "tsk_dirent": "TSKDirent", "utsname": "UTSName", "xattr": "XAttr",
	"xfsinfo": "XFSInfo",
}

// BindingStruct returns the name that the official Go binding gives a structure.
func BindingStruct(name string) string {
	if n, ok := bindingStructs[name]; ok {
		return n
	}
	return GoName(name)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
