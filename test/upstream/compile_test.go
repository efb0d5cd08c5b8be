package upstream

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// config stands for what libguestfs's configure finds out.
const config = `#define _GNU_SOURCE 1
#define PACKAGE "libguestfs"
#define PACKAGE_NAME PACKAGE
#define PACKAGE_VERSION "` + version + `"
#define PACKAGE_VERSION_FULL PACKAGE_VERSION
#define TOOL_TRUE "/bin/true"
#define _GL_ATTRIBUTE_CONST
#define _GL_ATTRIBUTE_PURE
#define _GL_ATTRIBUTE_NODISCARD
#define _GL_INLINE static inline
#define _GL_INLINE_HEADER_BEGIN
#define _GL_INLINE_HEADER_END
`

// portable has the two functions of gnulib that tests use.
const portable = `#include <config.h>
#include <errno.h>
#include <fcntl.h>
const char *getprogname(void) { return program_invocation_short_name; }
int set_cloexec_flag(int fd, _Bool on) { return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0); }
`

// compile makes a program of some of libguestfs's files and its helpers.
func compile(t *testing.T, top, program string, files ...string) {
	t.Helper()
	testimg.Need(t, "gcc")
	for _, header := range []string{"/usr/include/guestfs.h", "/usr/include/pcre2.h", "/usr/include/tirpc/rpc/rpc.h"} {
		if _, err := os.Stat(header); err != nil {
			t.Skip(&testimg.Missing{What: header})
		}
	}
	libraries, _ := filepath.Glob("/usr/lib/*/libguestfs.so.0")
	library := strings.Join(libraries, "") // one, if Debian's is there
	dir := t.TempDir()
	rig.Check(t, "write", os.WriteFile(dir+"/config.h", []byte(config), 0o644))
	rig.Check(t, "write", os.WriteFile(dir+"/portable.c", []byte(portable), 0o644))
	args := []string{"-w", "-pthread", "-DGUESTFS_PRIVATE=1", "-DLIBRARY=\"" + library + "\"", "-o", program, "-I" + dir}
	for _, sub := range []string{"common/utils", "common/structs", "common/protocol", "common/parallel", "lib", "tests/c-api"} {
		args = append(args, "-I"+filepath.Join(top, sub))
	}
	args = append(args, "-idirafter", filepath.Join(top, "gnulib/lib"), "-idirafter", "/usr/include/tirpc", dir+"/portable.c")
	for _, f := range append(files, "common/utils/cleanups.c", "common/utils/stringlists-utils.c", "common/utils/pcre2-cleanups.c", "common/utils/utils.c", "common/structs/structs-cleanups.c") {
		args = append(args, filepath.Join(top, f))
	}
	testimg.MustRun(t, "gcc", append(args, "-lguestfs", "-lpcre2-8", "-ldl", "-lm")...)
}
