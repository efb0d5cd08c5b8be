package main

import (
	"errors"
	"fmt"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

var verifyCommand = command{
	name:     "verify",
	short:    "judge an untrusted image",
	synopsis: []string{"[OPTION...] IMAGE"},
	brief:    "IMAGE",
	long: `Looks at an image that was uploaded, say, before anything uses it. It fails, with the
reasons, if the image is not in the format that --format says, or looks like something
else too (a CD, an archive, a program); if it needs another file (a backing file, a
parent, one with data), or what is on its disk looks like an image again; if its tables
contradict themselves or the file, or something follows what they know; if it is marked as
corrupt, has a feature that is not known, or cannot be read. Nothing that it names is
opened. The files on its disk are not looked at.

That it is encrypted, was not closed properly, has snapshots or unused clusters is noted
and no reason.
`,
	args: []kind{kindImage},
	options: func(f *flagSet) runFunc {
		v := &verifier{}
		f.string(&v.options.Format, "f", "format", "FORMAT", "format that the image is said to be in").among(source.Names()...)
		f.size(&v.options.MaxSize, "", "max-size", "SIZE", "how large the disk may be, such as 100G")
		f.bool(&v.json, "", "json", "print one JSON object, with the reasons")
		return v.run
	},
	examples: []string{"unboot verify --format qcow2 --max-size 100G upload.qcow2"},
}

type verifier struct {
	options source.VerifyOptions
	json    bool
}

// A jsonVerdict is what verify prints.
type jsonVerdict struct {
	Image    string        `json:"image"`
	OK       bool          `json:"ok"`
	Format   string        `json:"format"`
	Size     int64         `json:"size"`
	FileSize int64         `json:"file_size"`
	Reasons  []jsonFinding `json:"reasons"`
	Notes    []jsonFinding `json:"notes"`
}

// A jsonFinding is something that was found.
type jsonFinding struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

func (v *verifier) run(a *app, args []string) error {
	if len(args) != 1 {
		return badUsage("expected one IMAGE")
	}
	name := disk.Display(args[0])
	verdict, err := sources().Verify(a.life, args[0], v.options)
	if err != nil {
		return openError(name, err)
	}
	j := &jsonVerdict{name, len(verdict.Reasons) == 0, verdict.Format, verdict.Size, verdict.FileSize, newFindings(verdict.Reasons), newFindings(verdict.Notes)}
	if v.json {
		err = a.printJSON(j)
	} else {
		err = j.print(a)
	}
	if err == nil {
		for _, r := range j.Reasons {
			a.fail(errors.New(quote(name) + ": " + r.Code + ": " + printable(r.Text)))
		}
	}
	return err
}

func newFindings(list []disk.Finding) []jsonFinding {
	out := make([]jsonFinding, len(list))
	for i, f := range list {
		out[i] = jsonFinding(f)
	}
	return out
}

func (j *jsonVerdict) print(a *app) error {
	for _, n := range j.Notes {
		fmt.Fprintf(a.out, "%s: note: %s\n", quote(j.Image), printable(n.Text))
	}
	if !j.OK {
		return nil
	}
	_, err := fmt.Fprintf(a.out, "%s: %s, a disk of %d bytes, no objection\n", quote(j.Image), j.Format, j.Size)
	return err
}
