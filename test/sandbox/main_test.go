// Package sandbox proves how the kernel process is confined: by making it try
// what it must not do, and by what the host reports about it.
package sandbox

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

// helperVariable makes this program a helper: it boots a kernel, prints its
// process id, and waits to be killed.
const helperVariable = "UNBOOT_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) != "" {
		helper()
	}
	rig.Main(m)
}

func helper() {
	k, err := lkl.Boot(context.Background(), nil)
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(k.Pid(), k.Sandbox().Flags)
	time.Sleep(time.Minute)
	os.Exit(1)
}
