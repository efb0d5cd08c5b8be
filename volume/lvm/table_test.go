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
		{"raid levels", func() (lvs []string) {
			for i, kind := range []string{"raid4", "raid5_ls", "raid6_zr", "raid10", "raid0_meta"} {
				settings := []string{"device_count = 4", "stripe_size = 128", "region_size = 1024"}
				if kind == "raid0_meta" {
					settings = []string{"stripe_count = 4", "stripe_size = 128"}
				}
				lvs = append(lvs, raidLVs("r"+fmt.Sprint(i), kind, 4, 4, 2, 10*i, settings...)...)
			}
			return lvs
		}(), `
vg--x-r0
  0 8192 raid raid4 3 128 region_size 1024 4 vg--x-r0_rmeta_0 vg--x-r0_rimage_0 vg--x-r0_rmeta_1 vg--x-r0_rimage_1 vg--x-r0_rmeta_2 vg--x-r0_rimage_2 vg--x-r0_rmeta_3 vg--x-r0_rimage_3
vg--x-r1
  0 8192 raid raid5_ls 3 128 region_size 1024 4 vg--x-r1_rmeta_0 vg--x-r1_rimage_0 vg--x-r1_rmeta_1 vg--x-r1_rimage_1 vg--x-r1_rmeta_2 vg--x-r1_rimage_2 vg--x-r1_rmeta_3 vg--x-r1_rimage_3
vg--x-r2
  0 8192 raid raid6_zr 3 128 region_size 1024 4 vg--x-r2_rmeta_0 vg--x-r2_rimage_0 vg--x-r2_rmeta_1 vg--x-r2_rimage_1 vg--x-r2_rmeta_2 vg--x-r2_rimage_2 vg--x-r2_rmeta_3 vg--x-r2_rimage_3
vg--x-r3
  0 8192 raid raid10 5 128 region_size 1024 raid10_copies 2 4 vg--x-r3_rmeta_0 vg--x-r3_rimage_0 vg--x-r3_rmeta_1 vg--x-r3_rimage_1 vg--x-r3_rmeta_2 vg--x-r3_rimage_2 vg--x-r3_rmeta_3 vg--x-r3_rimage_3
vg--x-r4
  0 8192 raid raid0 1 128 4 vg--x-r4_rmeta_0 vg--x-r4_rimage_0 vg--x-r4_rmeta_1 vg--x-r4_rimage_1 vg--x-r4_rmeta_2 vg--x-r4_rimage_2 vg--x-r4_rmeta_3 vg--x-r4_rimage_3
`}, {"raid0", []string{
			lvText("r", seg(0, 4, "raid0", "stripe_count = 2", "stripe_size = 128", `raid0_lvs = ["r_rimage_0", "r_rimage_1"]`)),
			lvText("-r_rimage_0", linear(0, 2, "pv0", 0)), lvText("-r_rimage_1", linear(0, 2, "pv1", 0)),
		}, `
vg--x-r
  0 8192 raid raid0 1 128 2 - vg--x-r_rimage_0 - vg--x-r_rimage_1
`}, {"raid that is reshaped and rebuilt", []string{
			lvText("r", seg(0, 4, "raid5_ls+RESHAPE", "device_count = 3", "stripe_size = 128", "region_size = 1024", "data_offset = 0",
				`raids = ["r_rmeta_0", "r_rimage_0", "r_rmeta_1", "r_rimage_1", "r_rmeta_2", "r_rimage_2"]`)),
			lvText("-r_rmeta_0", linear(0, 1, "pv0", 0)), lvText("-r_rimage_0 REBUILD", linear(0, 2, "pv0", 1)),
			lvText("-r_rmeta_1", linear(0, 1, "pv1", 0)), lvText("-r_rimage_1 WRITEMOSTLY", linear(0, 2, "pv1", 1)),
			lvText("-r_rmeta_2", linear(0, 1, "pv2", 0)), lvText("-r_rimage_2", seg(0, 2, "striped+RESHAPE_DELTA_DISKS_PLUS", "stripe_count = 1", `stripes = ["pv2", 1]`)),
		}, `
vg--x-r
  0 8192 raid raid5_ls 9 128 rebuild 0 region_size 1024 delta_disks 1 data_offset 0 3 vg--x-r_rmeta_0 vg--x-r_rimage_0 vg--x-r_rmeta_1 vg--x-r_rimage_1 vg--x-r_rmeta_2 vg--x-r_rimage_2
`}, {"write-mostly, and an image that is split off", []string{
			lvText("r", seg(0, 4, "raid1", "device_count = 3", "region_size = 1024",
				`raids = ["r_rmeta_0", "r_rimage_0", "r_rmeta_1", "r_rimage_1", "r_rmeta_2", "r_rimage_2"]`)),
			lvText("-r_rmeta_0", linear(0, 1, "pv0", 0)), lvText("-r_rimage_0", linear(0, 4, "pv0", 1)),
			lvText("-r_rmeta_1", linear(0, 1, "pv1", 0)), lvText("-r_rimage_1 WRITEMOSTLY", linear(0, 4, "pv1", 1)),
			lvText("-r_rmeta_2", linear(0, 1, "pv2", 0)), lvText("r_rimage_2 !WRITE", linear(0, 4, "pv2", 1)),
		}, `
vg--x-r
  0 8192 raid raid1 5 0 write_mostly 1 region_size 1024 3 vg--x-r_rmeta_0 vg--x-r_rimage_0 vg--x-r_rmeta_1 vg--x-r_rimage_1 - -
  ! degraded: image 2 is missing: r_rimage_2 is split off
vg--x-r_rimage_2
  0 8192 linear /dev/pv2 4096
`}, {"integrity", []string{
			lvText("r", seg(0, 4, "raid1", "device_count = 2", "region_size = 4096", `raids = ["r_rmeta_0", "r_rimage_0", "r_rmeta_1", "r_rimage_1"]`)),
			lvText("-r_rmeta_0", linear(0, 1, "pv0", 0)), lvText("-r_rmeta_1", linear(0, 1, "pv1", 0)),
			lvText("-r_rimage_0", seg(0, 4, "integrity", `origin = "r_rimage_0_iorig"`, "data_sectors = 8192", `mode = "J"`, "tag_size = 4", "block_size = 512", `internal_hash = "crc32c"`, `meta_dev = "r_rimage_0_imeta"`, "recalculate = 1")),
			lvText("-r_rimage_1", seg(0, 4, "integrity", `origin = "r_rimage_1_iorig"`, "data_sectors = 8192", `mode = "B"`, "tag_size = 4", "block_size = 512", `internal_hash = "crc32c"`, `meta_dev = "r_rimage_1_imeta"`, "sectors_per_bit = 4096")),
			lvText("-r_rimage_0_iorig", linear(0, 4, "pv0", 1)), lvText("-r_rimage_0_imeta", linear(0, 4, "pv0", 5)),
			lvText("-r_rimage_1_iorig", linear(0, 4, "pv1", 1)), lvText("-r_rimage_1_imeta", linear(0, 4, "pv1", 5)),
		}, `
vg--x-r_rimage_0_iorig hidden
  0 8192 linear /dev/pv0 4096
vg--x-r_rimage_0_imeta hidden
  0 8192 linear /dev/pv0 12288
vg--x-r_rimage_0 hidden
  0 8192 integrity vg--x-r_rimage_0_iorig 0 4 J 5 fix_padding block_size:512 internal_hash:crc32c meta_device:vg--x-r_rimage_0_imeta recalculate
vg--x-r_rimage_1 hidden
  0 8192 integrity vg--x-r_rimage_1_iorig 0 4 B 5 fix_padding block_size:512 internal_hash:crc32c meta_device:vg--x-r_rimage_1_imeta sectors_per_bit:4096
vg--x-r
  0 8192 raid raid1 3 0 region_size 4096 2 vg--x-r_rmeta_0 vg--x-r_rimage_0 vg--x-r_rmeta_1 vg--x-r_rimage_1
`}, {"mirror and its log", []string{
			lvText("m", seg(0, 4, "mirror", "mirror_count = 2", "region_size = 1024", `mirror_log = "m_mlog"`, `mirrors = ["m_mimage_0", 0, "m_mimage_1", 0]`)),
			lvText("-m_mlog", linear(0, 1, "pv2", 0)), lvText("-m_mimage_0", linear(0, 4, "pv0", 0)), lvText("-m_mimage_1", linear(0, 4, "pv1", 0)),
		}, `
vg--x-m_mimage_0 hidden
  0 8192 linear /dev/pv0 2048
vg--x-m_mimage_1 hidden
  0 8192 linear /dev/pv1 2048
vg--x-m
  0 8192 mirror core 2 1024 nosync 2 vg--x-m_mimage_0 0 vg--x-m_mimage_1 0
`}, {"pvmove", []string{
			lvText("l", seg(0, 6, "striped", "stripe_count = 1", `stripes = ["pvmove0", 0]`)),
			lvText("-pvmove0 PVMOVE LOCKED",
				seg(0, 2, "mirror", "mirror_count = 2", "extents_moved = 2", `mirrors = ["pv0", 0, "pv1", 0]`),
				seg(2, 4, "mirror", "mirror_count = 2", "extents_moved = 1", `mirrors = ["pv0", 7, "pv1", 2]`)),
		}, `
vg--x-pvmove0 hidden
  0 4096 linear /dev/pv1 2048
  4096 8192 linear /dev/pv0 16384
vg--x-l
  0 12288 linear vg--x-pvmove0 0
`}, {"cache with a pool", []string{
			lvText("c", seg(0, 8, "cache", `cache_pool = "cp"`, `origin = "c_corig"`)),
			lvText("-c_corig", linear(0, 8, "pv0", 0)),
			lvText("-cp", seg(0, 4, "cache-pool+METADATA_FORMAT", `data = "cp_cdata"`, `metadata = "cp_cmeta"`, "metadata_format = 2", "chunk_size = 128", `cache_mode = "writeback"`, `policy = "smq"`, "policy_settings {\nmigration_threshold = 4096\nrandom_threshold = 3\n}")),
			lvText("-cp_cdata", linear(0, 4, "pv1", 0)), lvText("-cp_cmeta", linear(0, 8, "pv1", 4)),
		}, `
vg--x-cp_cmeta hidden
  0 16384 linear /dev/pv1 10240
vg--x-cp_cdata hidden
  0 8192 linear /dev/pv1 2048
vg--x-c_corig hidden
  0 16384 linear /dev/pv0 2048
vg--x-c
  0 16384 cache vg--x-cp_cmeta vg--x-cp_cdata vg--x-c_corig 128 2 metadata2 writeback smq 2 migration_threshold 4096
`}, {"cache in one volume", []string{
			lvText("c", seg(0, 8, "cache+CACHE_USES_CACHEVOL", `cache_pool = "f_cvol"`, `origin = "c_corig"`, "metadata_format = 2", "chunk_size = 1024", `cache_mode = "writethrough"`, `policy = "smq"`,
				"metadata_start = 0", "metadata_len = 16384", "data_start = 16384", "data_len = 4096")),
			lvText("-c_corig", linear(0, 8, "pv0", 0)), lvText("-f_cvol CACHE_VOL", linear(0, 10, "pv1", 0)),
		}, `
vg--x-f_cvol hidden
  0 20480 linear /dev/pv1 2048
vg--x-f_cvol-cmeta hidden
  0 16384 linear vg--x-f_cvol 0
vg--x-f_cvol-cdata hidden
  0 4096 linear vg--x-f_cvol 16384
vg--x-c_corig hidden
  0 16384 linear /dev/pv0 2048
vg--x-c
  0 16384 cache vg--x-f_cvol-cmeta vg--x-f_cvol-cdata vg--x-c_corig 1024 2 metadata2 writethrough smq 2 migration_threshold 8192
`}, {"cache that is emptied, of old metadata", []string{
			lvText("c", seg(0, 8, "cache", `cache_pool = "cp"`, `origin = "c_corig"`, "cleaner = 1")),
			lvText("-c_corig", linear(0, 8, "pv0", 0)),
			lvText("-cp", seg(0, 4, "cache-pool", `data = "cp_cdata"`, `metadata = "cp_cmeta"`, "chunk_size = 128", `cache_mode = "writeback"`)),
			lvText("-cp_cdata", linear(0, 4, "pv1", 0)), lvText("-cp_cmeta", linear(0, 8, "pv1", 4)),
		}, `
vg--x-c
  0 16384 cache vg--x-cp_cmeta vg--x-cp_cdata vg--x-c_corig 128 1 writethrough cleaner 0
`}, {"writecache", []string{
			lvText("w", seg(0, 8, "writecache", `writecache = "f_cvol"`, `origin = "w_wcorig"`, "writecache_block_size = 4096", "high_watermark = 60", "autocommit_time = 500", "fua = 1", "cleaner = 1", "max_age = 9", `writecache_setting_key = "pause_writeback"`, `writecache_setting_val = "100"`)),
			lvText("-w_wcorig", linear(0, 8, "pv0", 0)), lvText("-f_cvol CACHE_VOL", linear(0, 10, "pv1", 0)),
		}, `
vg--x-w_wcorig hidden
  0 16384 linear /dev/pv0 2048
vg--x-f_cvol hidden
  0 20480 linear /dev/pv1 2048
vg--x-w
  0 16384 writecache s vg--x-w_wcorig vg--x-f_cvol 4096 10 high_watermark 60 autocommit_time 500 fua cleaner max_age 9 pause_writeback 100
`}, {"vdo", []string{
			lvText("v", seg(0, 100, "vdo", `vdo_pool = "vp"`, "vdo_offset = 0")),
			lvText("vp", seg(0, 50, "vdo-pool", `data = "vp_vdata"`, "header_size = 1024", "virtual_extents = 100", "use_compression = 1", "minimum_io_size = 4096",
				"block_map_cache_size_mb = 128", "block_map_era_length = 16380", "index_memory_size_mb = 256", "max_discard = 1", "slab_size_mb = 2048", "ack_threads = 1", "bio_threads = 4",
				"bio_rotation = 64", "cpu_threads = 2", "hash_zone_threads = 1", "logical_threads = 1", "physical_threads = 1", "write_policy = auto")),
			lvText("-vp_vdata", linear(0, 50, "pv0", 0)),
		}, `
vg--x-vp_vdata hidden
  0 102400 linear /dev/pv0 2048
vg--x-vp-vpool hidden
  0 206848 vdo V4 vg--x-vp_vdata 12800 4096 32768 16380 deduplication off compression on maxDiscard 1 ack 1 bio 4 bioRotationInterval 64 cpu 2 hash 1 logical 1 physical 1
vg--x-v
  0 204800 linear vg--x-vp-vpool 1024
vg--x-vp hidden read-only
  0 1024 linear vg--x-vp-vpool 0
`}, {"thin volume that its snapshot is to replace, and one that the pool has yet to make", []string{
			lvText("pool", seg(0, 10, "thin-pool", `metadata = "pool_tmeta"`, `pool = "pool_tdata"`, "transaction_id = 4", "chunk_size = 128", "message1 {\ncreate = \"new\"\n}")),
			lvText("thin", seg(0, 20, "thin", `thin_pool = "pool"`, "transaction_id = 0", "device_id = 1")),
			lvText("-snap", seg(0, 20, "thin", `thin_pool = "pool"`, "transaction_id = 1", "device_id = 2", `origin = "thin"`, `merge = "thin"`)),
			lvText("new", seg(0, 20, "thin", `thin_pool = "pool"`, "transaction_id = 3", "device_id = 4")),
			lvText("-pool_tmeta", linear(0, 1, "pv0", 30)), lvText("-pool_tdata", linear(0, 10, "pv0", 40)),
		}, `
vg--x-pool-tpool hidden
  0 20480 thin-pool vg--x-pool_tmeta vg--x-pool_tdata 128 0 2 skip_block_zeroing ignore_discard
vg--x-thin
  0 40960 thin vg--x-pool-tpool 2
vg--x-new
  ! pool pool was not told yet to make it
`}, {"snapshot of a thin volume, a sparse volume", []string{
			lvText("pool", seg(0, 10, "thin-pool", `metadata = "pool_tmeta"`, `pool = "pool_tdata"`, "transaction_id = 4", "chunk_size = 128", `discards = "passdown"`, "zero_new_blocks = 1")),
			lvText("thin", seg(0, 20, "thin", `thin_pool = "pool"`, "transaction_id = 0", "device_id = 1")),
			lvText("-pool_tmeta", linear(0, 1, "pv0", 30)), lvText("-pool_tdata", linear(0, 10, "pv0", 40)),
			lvText("-old", linear(0, 2, "pv1", 0)),
			lvText("snapshot0", seg(0, 20, "snapshot", "chunk_size = 8", `origin = "thin"`, `cow_store = "old"`)),
			lvText("-sparse", linear(0, 2, "pv1", 2)), lvText("-sparse_vorigin", seg(0, 99, "zero")),
			lvText("snapshot1", seg(0, 99, "snapshot", "chunk_size = 8", `origin = "sparse_vorigin"`, `cow_store = "sparse"`)),
		}, `
vg--x-thin-real hidden
  0 40960 thin vg--x-pool-tpool 1
vg--x-old-cow hidden
  0 4096 linear /dev/pv1 2048
vg--x-old
  0 40960 snapshot vg--x-thin-real vg--x-old-cow P 8
vg--x-thin
  0 40960 snapshot-origin vg--x-thin-real
vg--x-sparse_vorigin-real hidden
  0 202752 zero 
vg--x-sparse-cow hidden
  0 4096 linear /dev/pv1 6144
vg--x-sparse
  0 202752 snapshot vg--x-sparse_vorigin-real vg--x-sparse-cow P 8
`}, {"pool of a cache that is not used", []string{
			lvText("cp", seg(0, 4, "cache-pool", `data = "cp_cdata"`, `metadata = "cp_cmeta"`, "chunk_size = 128")),
			lvText("-cp_cdata", linear(0, 4, "pv1", 0)), lvText("-cp_cmeta", linear(0, 8, "pv1", 4)),
		}, `
vg--x-cp hidden
  0 16384 linear /dev/pv1 10240
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, got := plan(t, members(vgText("vg-x", 1, "", fivePVs, test.lvs...), fivePVs...))
			if want := strings.TrimPrefix(test.want, "\n"); !inTurn(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// inTurn reports whether all devices that are wanted are among those that there are, as
// they are wanted and in their order.
func inTurn(got, want string) bool {
	for _, device := range devices(want) {
		_, rest, ok := strings.Cut("\n"+got, "\n"+device)
		if !ok || strings.HasPrefix(rest, "  ") {
			return false
		}
		got = rest
	}
	return true
}

// devices splits the description of devices into those of each.
func devices(s string) (list []string) {
	for line := range strings.Lines(s) {
		if strings.HasPrefix(line, " ") {
			list[len(list)-1] += line
		} else {
			list = append(list, line)
		}
	}
	return list
}
