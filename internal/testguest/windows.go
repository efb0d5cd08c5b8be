package testguest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/hive"
)

// WindowsHostname is the name of the host of [Windows].
const WindowsHostname = "WIN-TEST"

const windowsDiskID = 0x1badcafe

// Windows makes a disk with an MBR and a Windows: the partition that it boots from, and
// C: with the registry.
func Windows(t testing.TB) string {
	t.Helper()
	image := disk(t, 140, fmt.Sprintf(`label: dos
label-id: %#x
start=2048, size=32M, type=7, bootable
size=96M, type=7
`, windowsDiskID))
	mkntfs := []string{"mkntfs", "-F", "-q", "-Q", "-L"}
	format(t, image, 1, 32, append(mkntfs, "System Reserved")...)
	format(t, image, 33, 96, append(mkntfs, "Windows")...)
	Fill(t, image, "/dev/sda1", "", Files{"bootmgr": "boot manager\n", "Boot/BCD": Hive(t, nil)})
	Fill(t, image, "/dev/sda2", "", Files{
		"Windows/System32/cmd.exe":                  pe(),
		"Windows/System32/ntoskrnl.exe":             pe(),
		"Windows/System32/config/SOFTWARE":          Hive(t, windowsSoftware),
		"Windows/System32/config/SYSTEM":            Hive(t, windowsSystem()),
		"Windows/System32/drivers/etc/hosts":        "127.0.0.1 localhost\r\n",
		"Windows/explorer.exe":                      pe(),
		"Program Files/Example/readme.txt":          "An example.\r\n",
		"Users/Default/NTUSER.DAT":                  Hive(t, Keys{`Environment`: {text("TEMP", `%USERPROFILE%\Temp`)}}),
		"Documents and Settings/All Users/boot.txt": "",
	})
	return image
}

// Keys are the values of keys by the path from the root of a hive.
type Keys map[string][]hive.Value

// Hive makes a file of the registry.
func Hive(t testing.TB, keys Keys) string {
	t.Helper()
	h := hive.New()
	for _, path := range slices.Sorted(maps.Keys(keys)) {
		values := keys[path]
		id, err := h.Root()
		for name := range strings.SplitSeq(path, `\`) {
			if err != nil {
				break
			}
			child, cerr := h.Child(id, name)
			if cerr != nil {
				child, cerr = h.AddChild(id, name)
			}
			id, err = child, cerr
		}
		for _, v := range values {
			if err == nil {
				err = h.SetValue(id, v)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := h.Commit(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func text(name, value string) hive.Value {
	return hive.Value{Name: name, Type: hive.String, Data: hive.StringData(value)}
}

func dword(name string, n uint32) hive.Value {
	return hive.Value{Name: name, Type: hive.DWord, Data: hive.DWordData(n)}
}

var windowsSoftware = Keys{
	`Microsoft\Windows NT\CurrentVersion`: {
		text("ProductName", "Windows Server 2019 Standard"), text("InstallationType", "Server"), text("CurrentVersion", "6.3"),
		text("CurrentBuild", "17763"), text("CurrentBuildNumber", "17763"),
		dword("CurrentMajorVersionNumber", 10), dword("CurrentMinorVersionNumber", 0),
	},
	`Microsoft\Windows\CurrentVersion\Uninstall\Editor`: {
		text("DisplayName", "An Editor"), text("DisplayVersion", "1.2.3"), text("Publisher", "Grüße GmbH"),
		text("InstallLocation", `C:\Program Files\Editor`), text("URLInfoAbout", "https://editor.example"), text("Comments", "edits"),
	},
	`Microsoft\Windows\CurrentVersion\Uninstall\KB1`:                {text("DisplayVersion", "1")},
	`Microsoft\Windows\CurrentVersion\Group Policy\History`:         {},
	`Wow6432Node\Microsoft\Windows\CurrentVersion\Uninstall\{0001}`: {text("DisplayName", "Tool"), text("DisplayVersion", "7")},
}

func windowsSystem() Keys {
	c := binary.LittleEndian.AppendUint32(nil, windowsDiskID)
	c = binary.LittleEndian.AppendUint64(c, 33<<20)
	return Keys{
		`Select`: {dword("Current", 1), dword("Default", 1), dword("LastKnownGood", 1)},
		`ControlSet001\Services\Tcpip\Parameters`:         {text("Hostname", WindowsHostname)},
		`ControlSet001\Control\ComputerName\ComputerName`: {text("ComputerName", WindowsHostname)},
		`MountedDevices`: {{Name: `\DosDevices\C:`, Type: hive.Binary, Data: c}},
	}
}
