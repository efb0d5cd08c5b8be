package lvm

import (
	"fmt"
	"strings"
	"testing"
)

// raidLVs returns a RAID of images with metadata, which lie on pv0, pv1… from extent at.
func raidLVs(name, kind string, extents, images, each, at int, settings ...string) []string {
	var lvs, names []string
	for i := range images {
		lvs = append(lvs,
			lvText(fmt.Sprintf("-%s_rmeta_%d", name, i), linear(0, 1, fmt.Sprintf("pv%d", i), at)),
			lvText(fmt.Sprintf("-%s_rimage_%d", name, i), linear(0, each, fmt.Sprintf("pv%d", i), at+1)))
		names = append(names, fmt.Sprintf("\"%[1]s_rmeta_%[2]d\", \"%[1]s_rimage_%[2]d\"", name, i))
	}
	settings = append(settings, "raids = ["+strings.Join(names, ",\n")+"]")
	return append([]string{lvText(name, seg(0, extents, kind, settings...))}, lvs...)
}

var fivePVs = []string{"pv0", "pv1", "pv2", "pv3", "pv4"}

// The tables are those that lvm2 2.03.16 loaded for volumes of these kinds, as far as the
// package's comment does not say otherwise.
func TestTables(t *testing.T) {
	for _, test := range []struct {
		name string
		lvs  []string
		want string
	}{
		{"linear", []string{
			lvText("lin-ear", linear(0, 5, "pv0", 0), linear(5, 3, "pv1", 10)),
			lvText("ro !WRITE", linear(0, 1, "pv0", 5)),
		}, `
vg--x-lin--ear
  0 10240 linear /dev/pv0 2048
  10240 6144 linear /dev/pv1 22528
vg--x-ro read-only
  0 2048 linear /dev/pv0 12288
`}, {"striped", []string{
			lvText("s", seg(0, 8, "striped", "stripe_count = 2", "stripe_size = 128", `stripes = ["pv0", 1, "pv1", 2]`)),
			lvText("e", seg(0, 1, "error"), seg(1, 2, "zero")),
		}, `
vg--x-s
  0 16384 striped 2 128 /dev/pv0 4096 /dev/pv1 6144
vg--x-e
  0 2048 error 
  2048 4096 zero 
`}, {"raid1", raidLVs("r", "raid1", 4, 2, 4, 0, "device_count = 2", "region_size = 4096", "min_recovery_rate = 10", "max_recovery_rate = 20", "writebehind = 5"), `
vg--x-r_rimage_0 hidden
  0 8192 linear /dev/pv0 4096
vg--x-r_rmeta_0 hidden
  0 2048 linear /dev/pv0 2048
vg--x-r_rimage_1 hidden
  0 8192 linear /dev/pv1 4096
vg--x-r_rmeta_1 hidden
  0 2048 linear /dev/pv1 2048
vg--x-r
  0 8192 raid raid1 9 0 min_recovery_rate 10 max_recovery_rate 20 max_write_behind 5 region_size 4096 2 vg--x-r_rmeta_0 vg--x-r_rimage_0 vg--x-r_rmeta_1 vg--x-r_rimage_1
`}, {"thin", []string{
			lvText("pool", seg(0, 10, "thin-pool", `metadata = "pool_tmeta"`, `pool = "pool_tdata"`, "transaction_id = 2", "chunk_size = 128", `discards = "passdown"`, "zero_new_blocks = 1")),
			lvText("thin", seg(0, 20, "thin", `thin_pool = "pool"`, "transaction_id = 0", "device_id = 1", `external_origin = "ext"`)),
			lvText("snap ACTIVATION_SKIP", seg(0, 20, "thin", `thin_pool = "pool"`, "transaction_id = 1", "device_id = 2", `origin = "thin"`)),
			lvText("ext !WRITE", linear(0, 3, "pv1", 0)),
			lvText("-pool_tmeta", linear(0, 1, "pv0", 30)),
			lvText("-pool_tdata", linear(0, 10, "pv0", 40)),
			lvText("-lvol0_pmspare", linear(0, 1, "pv0", 31)),
		}, `
vg--x-pool_tmeta hidden
  0 2048 linear /dev/pv0 63488
vg--x-pool_tdata hidden
  0 20480 linear /dev/pv0 83968
vg--x-pool-tpool hidden
  0 20480 thin-pool vg--x-pool_tmeta vg--x-pool_tdata 128 0 0
vg--x-pool hidden read-only
  0 20480 linear vg--x-pool-tpool 0
vg--x-ext-real hidden read-only
  0 6144 linear /dev/pv1 2048
vg--x-thin
  0 40960 thin vg--x-pool-tpool 1 vg--x-ext-real
vg--x-snap
  0 40960 thin vg--x-pool-tpool 2
vg--x-ext read-only
  0 6144 linear vg--x-ext-real 0
`}, {"thin pool without a volume", []string{
			lvText("pool ERROR_WHEN_FULL", seg(0, 10, "thin-pool", `metadata = "pool_tmeta"`, `pool = "pool_tdata"`, "transaction_id = 0", "chunk_size = 128", `discards = "nopassdown"`)),
			lvText("-pool_tmeta", linear(0, 1, "pv0", 30)),
			lvText("-pool_tdata", linear(0, 10, "pv0", 40)),
		}, `
vg--x-pool_tmeta hidden
  0 2048 linear /dev/pv0 63488
vg--x-pool_tdata hidden
  0 20480 linear /dev/pv0 83968
vg--x-pool hidden
  0 20480 thin-pool vg--x-pool_tmeta vg--x-pool_tdata 128 0 3 skip_block_zeroing no_discard_passdown error_if_no_space
`}, {"snapshot", []string{
			lvText("orig", linear(0, 4, "pv0", 0)),
			lvText("-snap", linear(0, 2, "pv0", 4)),
			lvText("snapshot0", seg(0, 4, "snapshot", "chunk_size = 8", `origin = "orig"`, `cow_store = "snap"`)),
		}, `
vg--x-orig-real hidden
  0 8192 linear /dev/pv0 2048
vg--x-snap-cow hidden
  0 4096 linear /dev/pv0 10240
vg--x-snap
  0 8192 snapshot vg--x-orig-real vg--x-snap-cow P 8
vg--x-orig
  0 8192 snapshot-origin vg--x-orig-real
`}, {"snapshot that merges", []string{
			lvText("orig", linear(0, 4, "pv0", 0)),
			lvText("-snap", linear(0, 2, "pv0", 4)),
			lvText("snapshot0", seg(0, 4, "snapshot", "chunk_size = 8", `origin = "orig"`, `merging_store = "snap"`)),
		}, `
vg--x-orig-real hidden
  0 8192 linear /dev/pv0 2048
vg--x-snap-cow hidden
  0 4096 linear /dev/pv0 10240
vg--x-orig
  0 8192 snapshot-merge vg--x-orig-real vg--x-snap-cow P 8
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, got := plan(t, members(vgText("vg-x", 1, "", fivePVs, test.lvs...), fivePVs...))
			if want := strings.TrimPrefix(test.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
