package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/unboot/unboot/lkl"
)

var versionCommand = command{
	name: "version", aliases: []string{"-V", "--version"},
	short:    "versions of unboot and of its kernel",
	synopsis: []string{""},
	long: `Prints the versions of unboot, of the Linux kernel in it, and of Go.
`,
	args:    []kind{kindNone},
	options: noOptions(runVersion),
}

func runVersion(a *app, args []string) error {
	version := "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	fmt.Fprintf(a.out, "unboot %s\n", version)
	fmt.Fprintf(a.out, "kernel %s\n", kernelVersion(a))
	_, err := fmt.Fprintf(a.out, "%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// kernelVersion boots the kernel and reads its version from its log. That shows, too, that
// it runs on this host, and how it is confined, which are the questions of a bug report.
func kernelVersion(a *app) string {
	k, err := lkl.Boot(a.life, nil)
	if err != nil {
		return "(" + err.Error() + ")"
	}
	defer k.Kill()
	// "[    0.000000] Linux version 6.12.1 (builder) (gcc ...) #1 ..."
	_, rest, _ := strings.Cut(k.Dmesg(), "Linux version ")
	line, _, _ := strings.Cut(rest, "\n")
	v, _, _ := strings.Cut(line, " ")
	if v == "" {
		return "(unknown)"
	}
	return v + ", sandbox: " + k.Sandbox().String()
}
