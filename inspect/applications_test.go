package inspect

import (
	"reflect"
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
	"github.com/unboot/unboot/inspect/packages"
)

func TestWindowsApplications(t *testing.T) {
	hives := win10()
	software := hives["software"]
	const native, wide = `Microsoft\Windows\CurrentVersion\Uninstall\`, `Wow6432Node\Microsoft\Windows\CurrentVersion\Uninstall\`
	software.set(native+"{1234}", "DisplayName", sz("An Editor"))
	software.set(native+"{1234}", "DisplayVersion", sz("1.2.3"))
	software.set(native+"{1234}", "InstallLocation", sz(`C:\Program Files\Editor`))
	software.set(native+"{1234}", "Publisher", sz("Somebody"))
	software.set(native+"{1234}", "URLInfoAbout", sz("https://example.com"))
	software.set(native+"{1234}", "Comments", sz("edits"))
	software.set(native+"KB1", "ParentKeyName", sz("OperatingSystem"))
	software.set(wide+"Old", "DisplayName", sz("Old Thing"))
	in := stubHives(hives)
	s, err := in.Tree(windowsFiles.FS())
	if err != nil {
		t.Fatal(err)
	}
	got, err := in.Applications(windowsFiles.FS(), s)
	want := []packages.Package{
		{Name: "Old", DisplayName: "Old Thing"},
		{Name: "{1234}", DisplayName: "An Editor", Version: "1.2.3", InstallPath: `C:\Program Files\Editor`, Publisher: "Somebody", URL: "https://example.com", Summary: "edits"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
	if got, err = Applications(windowsFiles.FS(), s); err != nil || got != nil {
		t.Errorf("without a registry: %v, %v", got, err)
	}
}

func TestApplications(t *testing.T) {
	files := linuxTrees["alpine"].files.With(testtree.Files{"lib/apk/db/installed": "P:musl\nV:1-r0\n"})
	s, err := Tree(files.FS())
	if err != nil {
		t.Fatal(err)
	}
	list, err := Applications(files.FS(), s)
	if err != nil || len(list) != 1 || list[0].Name != "musl" {
		t.Errorf("%v, %v", list, err)
	}
	if list, err := Applications(unix.FS(), &System{Type: FreeBSD}); list != nil || err != nil {
		t.Errorf("%v, %v", list, err)
	}
}
