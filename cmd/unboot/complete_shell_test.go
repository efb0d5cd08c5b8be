package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// hostileNames are names of files that a shell or a terminal must not obey.
var hostileNames = []string{
	"plain", "a b", "$(touch pwned)", "`touch pwned`", ";touch pwned", "&touch pwned", "|touch pwned", "\ntouch pwned\n",
	"quo'te", `quo"te`, `back\slash`, "new\nline", "tab\tx", "\x1b[31mred", "\xff\xfe", "ü日本", "!bang", "x!y", "*", "?x", "[a]", "{a,b}",
	"#hash", "~tilde", "-dash", "col:on", "eq=ual", "$HOME", "<in", ">out", "(sub)", "a'b\"c\\d e", "\u202etrick", "end ", "^x", "x\\",
	"'", `"`, "$'x'", "%s%n", "a@b",
}

// hostileImage makes an image with a directory for each of the names, 0 and so on, and
// goes to the directory that the image is in.
func hostileImage(t *testing.T) {
	t.Helper()
	needKernel(t)
	t.Chdir(t.TempDir())
	t.Setenv("LC_ALL", "C.UTF-8")
	if err := testimg.Copy(testimg.FS(t, "ext4", testimg.Options{}), "disk.img"); err != nil {
		t.Fatal(err)
	}
	for i, name := range hostileNames {
		dir := filepath.Join("tree", fmt.Sprint(i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("unboot", "cp", "-r", "tree", "disk.img:/").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// A shell that obeys a name makes a file here.
	t.Cleanup(func() {
		if _, err := os.Lstat("pwned"); err == nil {
			t.Error("a name was executed")
		}
	})
}

func needShell(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skip(err)
	}
}

// bash takes each candidate for the name that it is, whatever quote was open.
func TestCompleteBash(t *testing.T) {
	needShell(t, "bash")
	hostileImage(t)
	script := `
eval "$(unboot completion bash)"
COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
opens=("'" '"' "\$'")
for ((i = 0; i < $1; i++)); do
	for open in '' "${opens[i % 3]}"; do
		COMP_LINE="unboot cat ${open}disk.img:/tree/$i/"
		COMP_POINT=${#COMP_LINE}
		COMP_LINE+=" more" # which is after the cursor
		_unboot
		[ ${#COMPREPLY[@]} = 1 ] || echo "${#COMPREPLY[@]} candidates for $i" >&2
		# As readline does, instead of what follows the colon, or in the quotes, which
		# it closes unless they are.
		text=${COMPREPLY[0]} close=${open#\$}
		case $open in
		'') line="disk.img:$text" ;;
		*) line="$open${text%"$close"}$close" ;;
		esac
		eval "set -- $1 $line"
		[ $# = 2 ] || echo "$i is $# words: $line" >&2
		printf '%s\0' "${2##*/}"
	done
done`
	cmd := exec.Command("bash", "--norc", "-c", script, "bash", fmt.Sprint(len(hostileNames)))
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Errorf("%v: %s", err, errs.String())
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(got) != 2*len(hostileNames) {
		t.Fatalf("%d answers", len(got))
	}
	for i, g := range got {
		if want := hostileNames[i/2]; g != want {
			t.Errorf("%q has become %q", want, g)
		}
	}
}

// In a terminal, readline puts candidates of bash where they belong, and zle those of
// zsh: what is then in the line is taken for the name by the shell.
func TestCompleteTyped(t *testing.T) {
	for _, shell := range []struct {
		name  string
		args  []string
		setup string
	}{
		{"bash", []string{"--norc", "--noprofile", "-i"}, `
eval "$(unboot completion bash)"
bind 'set bell-style none' 'set enable-bracketed-paste off' 2>/dev/null
PS1=
bind -x '"\C-]":printf "%s\0" "$READLINE_LINE" >>lines; READLINE_LINE='`},
		{"zsh", []string{"-f", "-i"}, `
autoload -Uz compinit; compinit -u -D
PS1= PROMPT_SP= ZDOTDIR=.
setopt nobeep
eval "$(unboot completion zsh)"
report() { print -rn -- "$BUFFER"$'\0' >>lines; BUFFER= }
zle -N report; bindkey '^]' report`},
	} {
		t.Run(shell.name, func(t *testing.T) {
			needShell(t, shell.name)
			hostileImage(t)
			if err := os.WriteFile("setup", []byte(shell.setup+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			keyboard := terminal(t, shell.name, shell.args...)
			keyboard(" . ./setup\n")
			var want []string
			for i, name := range hostileNames {
				for _, open := range []string{"", []string{"'", `"`}[i%2]} {
					// In quotes, the line editor of zsh escapes these as an interactive
					// zsh reads them and "zsh -c" does not.
					if shell.name == "zsh" && open != "" && strings.ContainsAny(name, "!\xff") {
						continue
					}
					keyboard(fmt.Sprintf("unboot cat %sdisk.img:/tree/%d/\t\x1d", open, i))
					want = append(want, fmt.Sprintf("disk.img:/tree/%d/%s", i, name))
					awaitLines(t, len(want))
				}
			}
			// Commands, options and the image.
			for _, keys := range []string{"unboot completi\t", "unboot ls --numer\t", "unboot df dis\t"} {
				keyboard(keys + "\x1d")
				want = append(want, strings.NewReplacer("completi\t", "completion", "numer\t", "numeric-uid-gid", "dis\t", "disk.img").Replace(keys))
				awaitLines(t, len(want))
			}
			data, err := os.ReadFile("lines")
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
			for i, line := range lines {
				if i >= len(want)-3 {
					if line != want[i]+" " {
						t.Errorf("%q, want %q", line, want[i])
					}
					continue
				}
				// The shell itself says what it takes the line for.
				out, err := exec.Command(shell.name, "-c", `unboot() { printf '%s\0' "$@"; }; eval "$1"`, shell.name, line).Output()
				if got := string(out); err != nil || got != "cat\x00"+want[i]+"\x00" {
					t.Errorf("%q is %q, want %q, %v", line, got, want[i], err)
				}
			}
		})
	}
}

// fish offers the names as they are, escaped for its command line.
func TestCompleteFish(t *testing.T) {
	needShell(t, "fish")
	hostileImage(t)
	t.Setenv("HOME", t.TempDir())
	script := `unboot completion fish | source
for i in (seq 0 (math $argv[1] - 1))
	for c in (complete -C "unboot cat disk.img:/tree/$i/")
		printf '%s\n' $c
	end
end
complete -C "unboot completi"
complete -C "unboot ls --numer"
complete -C "unboot ls -m '' d"`
	out, err := exec.Command("fish", "--no-config", "-c", script, fmt.Sprint(len(hostileNames))).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var want strings.Builder
	for i, name := range hostileNames {
		if !strings.ContainsAny(name, "\n\t") {
			fmt.Fprintf(&want, "disk.img:/tree/%d/%s\n", i, name)
		}
	}
	want.WriteString("completion\tcompletion for bash, zsh or fish\n--numeric-uid-gid\tlong, with numeric owners\ndisk.img\ndisk.img:/\n")
	if string(out) != want.String() {
		t.Errorf("%q\nwant %q", out, want.String())
	}
}

// terminal starts a program on a terminal of its own, and returns what types on it.
func terminal(t *testing.T, name string, args ...string) (keyboard func(keys string)) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "TERM=dumb", "HISTFILE=")
	return rig.OnTerminal(t, cmd).Type
}

// awaitLines waits until the shell has reported so many lines.
func awaitLines(t *testing.T, n int) {
	t.Helper()
	for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(5 * time.Millisecond) {
		if data, err := os.ReadFile("lines"); err == nil && strings.Count(string(data), "\x00") >= n {
			return
		}
	}
	t.Fatalf("the shell has not reported %d lines", n)
}
