package unboot

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// To list a system's root on a web server takes few requests, and little of the image.
func TestFar(t *testing.T) {
	image := testimg.Debian(t, "ext4")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, image) }))
	defer s.Close()
	img, err := Open(context.Background(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	root, err := img.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := root.ReadDir("."); err != nil {
		t.Fatal(err)
	}
	size := img.Disks()[0].Size
	if got := img.Traffic(); got.Requests > 14 || got.Received > size/100 {
		t.Errorf("%d requests, %d bytes of %d", got.Requests, got.Received, size)
	}
	if _, err := root.ReadFile("var/lib/dpkg/status"); err != nil {
		t.Fatal(err)
	}
	if got := img.Traffic(); got.Requests > 32 || got.Received > size/50 {
		t.Errorf("with the packages, %d requests, %d bytes of %d", got.Requests, got.Received, size)
	}
}

func TestJoinSpans(t *testing.T) {
	const m = 1 << 20
	for _, c := range []struct{ in, want []span }{
		{nil, nil},
		{[]span{{4 * m, 5 * m}, {m, 2 * m}, {m, 3 * m}}, []span{{m, 5 * m}}},
		{[]span{{0, m}, {2*m + 1, 3 * m}}, []span{{0, m}, {2*m + 1, 3 * m}}},
		{[]span{{0, 16 * m}, {30 * m, 31 * m}}, []span{{0, 16 * m}}},
		{[]span{{0, 9 * m}, {m, 2 * m}}, []span{{0, 9 * m}}},
	} {
		if got := joinSpans(slices.Clone(c.in)); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.in, got, c.want)
		}
	}
}
