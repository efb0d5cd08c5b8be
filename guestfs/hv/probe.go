package hv

import (
	"encoding/json"
	"io"
)

// version is what is printed for -version. Of qemu's text it has what programs look for.
const version = "QEMU emulator version 8.0.0 (unboot)\n"

// maxProbe limits what is read of a probe.
const maxProbe = 1 << 20

// Probe answers a run that only asks what the program can do, and reports whether it
// was one. Those are, for libguestfs 1.40 and later:
//
//	-help                 looks for features: there are none but those of a version,
//	                      without which a drive cannot discard
//	-device ?             the same
//	-version              a line
//	-qmp stdio            JSON of the QEMU Machine Protocol: is there KVM?
//
// That there is KVM spares the user a warning, and libguestfs a search through logs.
func Probe(args []string, stdin io.Reader, stdout io.Writer) bool {
	for i, arg := range args {
		value := ""
		if i+1 < len(args) {
			value = args[i+1]
		}
		switch arg {
		case "-help", "--help", "-h":
			io.WriteString(stdout, version)
			return true
		case "-version", "--version":
			io.WriteString(stdout, version)
			return true
		case "-device", "-machine", "-M", "-cpu":
			if value == "?" || value == "help" {
				return true
			}
		case "-qmp":
			if value == "stdio" {
				qmp(stdin, stdout)
				return true
			}
		}
	}
	return false
}

// qmp speaks the QEMU Machine Protocol until it is told to quit.
func qmp(stdin io.Reader, stdout io.Writer) {
	io.WriteString(stdout, `{"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 8}, "package": "unboot"}, "capabilities": []}}`+"\n")
	in := json.NewDecoder(io.LimitReader(stdin, maxProbe))
	for {
		var command struct {
			Execute string `json:"execute"`
		}
		if in.Decode(&command) != nil {
			return
		}
		answer := "{}"
		switch command.Execute {
		case "query-kvm":
			answer = `{"enabled": true, "present": true}`
		case "query-qmp-schema":
			answer = "[]"
		}
		io.WriteString(stdout, `{"return": `+answer+"}\n")
		if command.Execute == "quit" {
			return
		}
	}
}
