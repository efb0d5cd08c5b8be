package inspect

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/unboot/unboot/inspect/fstab"
	"github.com/unboot/unboot/inspect/internal/testtree"
)

// stub is a registry in a map: keys by path, values by name. It stands for what a
// file of that name would hold.
type stub struct {
	name   string
	values map[string]Value
	keys   []*stub
}

func (k *stub) Name() string { return k.name }

func (k *stub) Child(name string) (Key, error) {
	for _, c := range k.keys {
		if strings.EqualFold(c.name, name) {
			return c, nil
		}
	}
	return nil, fs.ErrNotExist
}

func (k *stub) Children() (list []Key, err error) {
	for _, c := range k.keys {
		list = append(list, c)
	}
	return list, nil
}

func (k *stub) Value(name string) (Value, error) {
	for n, v := range k.values {
		if strings.EqualFold(n, name) {
			return v, nil
		}
	}
	return Value{}, fs.ErrNotExist
}

// set makes a value, and the keys that lead to it.
func (k *stub) set(path, name string, v Value) {
	for elem := range strings.SplitSeq(path, `\`) {
		c, err := k.Child(elem)
		if err != nil {
			c = &stub{name: elem, values: map[string]Value{}}
			k.keys = append(k.keys, c.(*stub))
		}
		k = c.(*stub)
	}
	k.values[name] = v
}

func sz(s string) Value {
	v := Value{Type: RegSZ}
	for _, u := range append(utf16.Encode([]rune(s)), 0) {
		v.Data = binary.LittleEndian.AppendUint16(v.Data, u)
	}
	return v
}

func dword(n uint32) Value {
	return Value{Type: RegDword, Data: binary.LittleEndian.AppendUint32(nil, n)}
}

// stubHives opens the stub whose name is the contents of the file.
func stubHives(hives map[string]*stub) *Inspector {
	return &Inspector{OpenHive: func(r io.ReaderAt, size int64) (Key, error) {
		b := make([]byte, size)
		if _, err := r.ReadAt(b, 0); err != nil && err != io.EOF {
			return nil, err
		}
		if h := hives[string(b)]; h != nil {
			return h, nil
		}
		return nil, errors.New("not a registry file")
	}}
}

func win10() map[string]*stub {
	software, system := &stub{}, &stub{}
	cv := `Microsoft\Windows NT\CurrentVersion`
	software.set(cv, "ProductName", sz("Windows 10 Pro"))
	software.set(cv, "InstallationType", sz("Client"))
	software.set(cv, "CurrentVersion", sz("6.3"))
	software.set(cv, "CurrentMajorVersionNumber", dword(10))
	software.set(cv, "CurrentMinorVersionNumber", dword(0))
	software.set(cv, "CurrentBuildNumber", sz("19045"))
	software.set(cv, "DisplayVersion", sz("22H2"))
	system.set("Select", "Current", dword(1))
	system.set(`ControlSet001\Services\Tcpip\Parameters`, "Hostname", sz("DESKTOP-1"))
	mbr := append([]byte{0x78, 0x56, 0x34, 0x12}, 0, 0, 0x10, 0, 0, 0, 0, 0)
	system.set("MountedDevices", `\DosDevices\C:`, Value{Type: 3, Data: mbr})
	system.set("MountedDevices", `\DosDevices\D:`, Value{Type: 3, Data: []byte(`\??\IDE#CdRom`)})
	gpt := append([]byte("DMIO:ID:"), 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff)
	system.set("MountedDevices", `\DosDevices\E:`, Value{Type: 3, Data: gpt})
	return map[string]*stub{"software": software, "system": system}
}

var windowsFiles = testtree.Files{
	"Windows/System32/cmd.exe":         pe(0x8664),
	"Windows/System32/config/SOFTWARE": "software",
	"Windows/System32/config/SYSTEM":   "system",
	"pagefile.sys":                     "",
}

func TestWindows(t *testing.T) {
	s, err := stubHives(win10()).Tree(windowsFiles.FS())
	if err != nil {
		t.Fatal(err)
	}
	want := &System{
		Type: Windows, Distro: "windows", Product: "Windows 10 Pro", Variant: "Client", Version: "10.0", Major: 10,
		Codename: "22H2", BuildID: "19045", Hostname: "DESKTOP-1", Arch: "x86_64", Format: Installed,
		Windows: &WindowsSystem{
			SystemRoot: "/Windows", SoftwareHive: "/Windows/System32/config/SOFTWARE", SystemHive: "/Windows/System32/config/SYSTEM",
			ControlSet: "ControlSet001",
			Drives: []Drive{
				{Letter: "C", DiskID: "12345678", Offset: 1 << 20},
				{Letter: "E", PartUUID: "00112233-4455-6677-8899-aabbccddeeff"},
			},
		},
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v %+v\nwant %+v %+v", s, s.Windows, want, want.Windows)
	}
}

// The names of NT, in all cases, and what boot.ini adds to them.
func TestWindowsNames(t *testing.T) {
	type files = testtree.Files
	for _, c := range []struct {
		files files
		root  string
	}{
		{files{"WINDOWS/system32/config/software": "", "WINDOWS/system32/CMD.EXE": pe(0x14c)}, "/WINDOWS"},
		{files{"WinNT/SYSTEM32/CONFIG/software": "", "WinNT/SYSTEM32/cmd.exe": pe(0x14c)}, "/WinNT"},
		{files{"XP/system32/config/x": "", "XP/system32/cmd.exe": pe(0x14c),
			"boot.ini": "[boot loader]\r\ntimeout=30\r\ndefault=multi(0)disk(0)rdisk(0)partition(1)\\xp\r\n"}, "/XP"},
		{files{"A/B/system32/config/x": "", "A/B/system32/cmd.exe": pe(0x14c),
			"BOOT.INI": "[operating systems]\nmulti(0)disk(0)rdisk(0)partition(2)\\A\\B=\"Windows\" /fastdetect\n"}, "/A/B"},
		{files{"Windows/x": "", "WINDOWS/system32/config/x": "", "WINDOWS/system32/cmd.exe": pe(0x14c)}, "/WINDOWS"},
	} {
		s, err := Tree(c.files.FS())
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.root, err)
		case s.Windows.SystemRoot != c.root || s.Arch != "i386":
			t.Errorf("%s: %+v", c.root, s.Windows)
		}
	}
}

// Windows 11 says that it is Windows 10. A registry that cannot be read is a problem
// only.
func TestWindowsRegistry(t *testing.T) {
	hives := win10()
	hives["software"].set(`Microsoft\Windows NT\CurrentVersion`, "CurrentBuildNumber", sz("22631"))
	hives["system"] = nil
	s, err := stubHives(hives).Tree(windowsFiles.FS())
	if err != nil || s.Product != "Windows 11 Pro" || s.Windows.ControlSet != "" {
		t.Errorf("%+v %v", s, err)
	}
	if len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "config/SYSTEM: not a registry file") {
		t.Errorf("%q", s.Problems)
	}
	s, err = Tree(windowsFiles.FS())
	if err != nil || s.Product != "" || s.Windows.SoftwareHive == "" || len(s.Problems) != 0 {
		t.Errorf("%+v %v", s, err)
	}
	old := &stub{}
	old.set(`Microsoft\Windows NT\CurrentVersion`, "ProductName", sz("Microsoft Windows XP"))
	old.set(`Microsoft\Windows NT\CurrentVersion`, "CurrentVersion", sz("5.1"))
	s, err = stubHives(map[string]*stub{"software": old, "system": {}}).Tree(windowsFiles.FS())
	if err != nil || s.Major != 5 || s.Minor != 1 || s.Hostname != "" || len(s.Problems) != 0 {
		t.Errorf("%+v %v", s, err)
	}
}

// A domain's policies have keys named by GUIDs.
func TestGroupPolicy(t *testing.T) {
	for name, want := range map[string]bool{
		"": false, "{00000000-0000-0000-0000": false, "History": false, "{35378EAC-683F-11D2-A89A-00C04FBBCFA2}": true,
	} {
		hives := win10()
		path := `Microsoft\Windows\CurrentVersion\Group Policy\History`
		if name != "" {
			path += `\` + name
		}
		hives["software"].set(path, "x", sz(""))
		s, err := stubHives(hives).Tree(windowsFiles.FS())
		if err != nil || s.Windows.GroupPolicy != want {
			t.Errorf("%q: %t, %v", name, s.Windows.GroupPolicy, err)
		}
	}
}

func TestBootINI(t *testing.T) {
	ini := `[boot loader]
timeout=30
default=multi(0)disk(0)rdisk(0)partition(1)\WINDOWS
[operating systems]
multi(0)disk(0)rdisk(0)partition(1)\WINDOWS="Microsoft Windows XP Professional" /noexecute=optin
scsi(0)disk(0)rdisk(0)Partition(2)\WINNT\="Windows 2000"
C:\="Microsoft Windows 98"
C:\CMDCONS\BOOTSECT.DAT="Recovery Console" /cmdcons
multi(0)disk(0)rdisk(0)partition(
`
	want := []string{"WINDOWS", "WINDOWS", "WINNT"}
	if got := bootINI([]byte(ini)); !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

// A letter is a partition's or a dynamic volume's, whose GUID has its bytes in either order.
func TestDriveMeans(t *testing.T) {
	e := Drive{Letter: "E", PartUUID: "00112233-4455-6677-8899-aabbccddeeff"}
	c := Drive{Letter: "C", DiskID: "12345678", Offset: 1 << 20}
	for _, test := range []struct {
		drive Drive
		dev   Device
		want  bool
	}{
		{e, Device{Device: fstab.Device{PartUUID: "00112233-4455-6677-8899-AABBCCDDEEFF"}}, true},
		{e, Device{DynamicID: "00112233-4455-6677-8899-aabbccddeeff"}, true},
		{e, Device{DynamicID: "33221100-5544-7766-8899-aabbccddeeff"}, true},
		{e, Device{DynamicID: "33221100-5544-7766-9988-aabbccddeeff"}, false},
		{e, Device{}, false},
		{c, Device{Device: fstab.Device{PartUUID: "12345678-01"}, Start: 1 << 20}, true},
		{c, Device{DynamicID: "00112233-4455-6677-8899-aabbccddeeff", Start: 1 << 20}, false},
	} {
		if got := test.drive.means(&test.dev); got != test.want {
			t.Errorf("%+v means %+v: %v", test.drive, test.dev, got)
		}
	}
}
