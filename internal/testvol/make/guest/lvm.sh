# Fixtures of LVM2. A line "#disks NAME COUNT SIZE" says what disks one needs.
L="lvcreate -q -y -Wn"
LINES=20000

#disks lvm-linear 2 48M
# Two disks with GPT; "span" lies on both in two segments, "root" has a hole before it.
lvm_linear() {
	local d
	for d in "${D[@]}"; do try sgdisk -n 1:2048:+4M -t 1:8300 -n 2:0:0 -t 2:8e00 -c 2:pv "$d" >/dev/null; done
	udevadm settle
	try vgcreate -q -s 1M vg0 "${D[0]}2" "${D[1]}2"
	try $L -l 4 -n hole vg0 "${D[0]}2"
	try $L -L 12M -n root vg0 "${D[0]}2"
	try lvremove -q -y vg0/hole
	try $L -l 30 -n span vg0 "${D[0]}2:22-31" "${D[1]}2:15-34"
	try $L -L 10M --type striped -i 2 -I 16k -n striped vg0
	try $L -L 2M -n swap vg0
	fill /dev/vg0/root /dev/vg0/root
	fill /dev/vg0/span /dev/vg0/span
	fill /dev/vg0/striped /dev/vg0/striped
	try mkswap -L swap /dev/vg0/swap
	record
	lvm_report
}

#disks lvm-names 1 48M
# Names that the device mapper quotes, tags, and a volume that is not to be written to.
lvm_names() {
	try pvcreate -q "${D[0]}"
	try vgcreate -q -s 1M --addtag grouptag my-vg.x "${D[0]}"
	try $L -L 8M --addtag lvtag -n a-b--c.d_e+f my-vg.x
	try $L -L 8M -n ro my-vg.x
	try $L -L 4M -an -ky -n inactive my-vg.x
	fill "/dev/my-vg.x/a-b--c.d_e+f" "/dev/my-vg.x/a-b--c.d_e+f"
	fill /dev/my-vg.x/ro /dev/my-vg.x/ro
	try lvchange -q -pr my-vg.x/ro
	record
	lvm_report
}

#disks lvm-raid 5 80M
lvm_raid() {
	local LINES=8000
	try vgcreate -q -s 512k vgr "${D[@]}"
	try $L -L 6M --type striped -i 3 -I 32k -n striped vgr
	try $L -L 6M --type mirror -m 1 --mirrorlog core -n mirror vgr
	try $L -L 6M --type mirror -m 1 --mirrorlog disk -n mirlog vgr
	try $L -L 6M --type raid0 -i 3 -I 32k -n raid0 vgr
	try $L -L 6M --type raid0_meta -i 2 -n raid0m vgr
	try $L -L 6M --type raid1 -m 1 -n raid1 vgr
	try $L -L 6M --type raid1 -m 2 -n raid1x3 vgr
	try $L -L 6M --type raid4 -i 3 -I 32k -n raid4 vgr
	try $L -L 6M --type raid5 -i 3 -I 32k -n raid5 vgr
	try $L -L 6M --type raid5_ra -i 2 -I 32k -n raid5ra vgr
	try $L -L 6M --type raid6 -i 3 -I 32k -n raid6 vgr
	try $L -L 6M --type raid6_nc -i 3 -I 32k -n raid6nc vgr
	try $L -L 6M --type raid10 -i 2 -m 1 -I 32k -n raid10 vgr
	try $L -L 6M --type raid1 -m 1 --raidintegrity y --raidintegritymode journal -n raidint vgr
	local l
	for l in striped mirror mirlog raid0 raid0m raid1 raid1x3 raid4 raid5 raid5ra raid6 raid6nc raid10 raidint; do
		fill /dev/vgr/$l /dev/vgr/$l
	done
	insync vgr
	record
	lvm_report
}

#disks lvm-partial 3 48M
# The third disk is gone. table.txt is what all that can be had in its absence looks like
# (activation mode "partial"), table-degraded.txt what LVM activates without being told to.
lvm_partial() {
	try vgcreate -q -s 512k vgp "${D[@]}"
	try $L -L 5M -n here vgp "${D[0]}"
	try $L -L 5M -n gone vgp "${D[2]}"
	try $L -L 8M --type striped -i 3 -I 32k -n striped vgp
	try $L -l 20 -n both vgp "${D[1]}:60-69" "${D[2]}:60-69"
	try $L -L 5M --type raid1 -m 1 -n raid1 vgp "${D[0]}" "${D[2]}"
	try $L -L 6M --type raid5 -i 2 -I 32k -n raid5 vgp
	try $L -L 5M --type mirror -m 1 --mirrorlog core -n mirror vgp "${D[1]}" "${D[2]}"
	local l
	for l in here gone striped both raid1 raid5 mirror; do fill /dev/vgp/$l /dev/vgp/$l; done
	insync vgp
	lvm_report
	try vgchange -q -an vgp
	blockdev --flushbufs "${D[2]}"
	echo 1 >"/sys/block/${D[2]#/dev/}/device/delete"
	unset 'D[2]'
	touch "$R/drop.c"
	udevadm settle
	try vgchange -q -ay vgp
	note table-degraded.txt tables
	try vgchange -q -an vgp
	try vgchange -q -ay --activationmode partial vgp
	record
	note lvs-partial.json lvs -a --units b --nosuffix --reportformat json -o $LVS
	note pvs-partial.json pvs --units b --nosuffix --reportformat json -o pv_all,vg_name
}

# insync waits until no volume of a group has anything left to copy.
insync() {
	local i
	for i in $(seq 60); do
		lvs --noheadings -o copy_percent "$1" | grep -vE '100\.00|^ *$' | grep -q . || return 0
		sleep 0.5
	done
	echo "FAILED: $1 is not in sync"
}

#disks lvm-snapshot 1 64M
# Two snapshots, one of them of a changed origin, and written to itself.
lvm_snapshot() {
	try vgcreate -q -s 1M vgs "${D[0]}"
	try $L -L 12M -n orig vgs
	fill /dev/vgs/orig /dev/vgs/orig
	try lvcreate -q -y -s -L 8M -n snap vgs/orig
	try mount /dev/vgs/orig /tmp/m && echo later >/tmp/m/later.txt && try umount /tmp/m
	try lvcreate -q -y -s -c 16k -L 8M -n snap2 vgs/orig
	try mount /dev/vgs/orig /tmp/m && rm /tmp/m/data && put /dev/vgs/orig changed && echo last >/tmp/m/last.txt && try umount /tmp/m
	try mount /dev/vgs/snap2 /tmp/m && put /dev/vgs/snap2 own && echo own >/tmp/m/own.txt && try umount /tmp/m
	try mount -o ro /dev/vgs/snap /tmp/m && content /dev/vgs/snap && ls /tmp/m && try umount /tmp/m
	record
	lvm_report
}

#disks lvm-thin 1 96M
# A pool, a thin volume and a snapshot of it that differ, one of another chunk of history,
# and one on an external origin.
lvm_thin() {
	try vgcreate -q -s 1M vgt "${D[0]}"
	try lvcreate -q -y --type thin-pool -L 32M --poolmetadatasize 2M -c 64k -n pool vgt
	try $L -V 100M --thinpool pool -n thin vgt
	local LINES=8000
	fill /dev/vgt/thin /dev/vgt/thin
	try lvcreate -q -y -s -kn -n snap vgt/thin
	try mount /dev/vgt/thin /tmp/m && echo later >/tmp/m/later.txt && try umount /tmp/m
	try mount -o ro /dev/vgt/snap /tmp/m && content /dev/vgt/snap && try umount /tmp/m
	try $L -L 10M -n ext vgt
	fill /dev/vgt/ext /dev/vgt/ext
	try lvchange -q -an vgt/ext
	try lvchange -q -pr vgt/ext
	try lvcreate -q -y -s -kn --thinpool vgt/pool -n onext vgt/ext
	try mount /dev/vgt/onext /tmp/m && echo own >/tmp/m/own.txt && content /dev/vgt/onext && try umount /tmp/m
	try lvchange -q -ay -K vgt
	record
	lvm_report
	note thinpool.txt dmsetup status vgt-pool-tpool
}

#disks lvm-cache 1 128M
# cache with a pool, cache with a cachevol (both have dirty blocks), and writecache.
lvm_cache() {
	try vgcreate -q -s 1M vgc "${D[0]}"
	try $L -L 10M -n cached vgc
	try lvcreate -q -y --type cache-pool -L 8M --poolmetadatasize 8M -n cpool vgc
	try lvconvert -q -y --type cache --cachepool cpool --cachemode writeback vgc/cached
	fill /dev/vgc/cached /dev/vgc/cached
	try $L -L 10M -n cvd vgc
	try $L -L 16M -n cvol vgc
	try lvconvert -q -y --type cache --cachevol cvol --cachemode writeback vgc/cvd
	fill /dev/vgc/cvd /dev/vgc/cvd
	try $L -L 10M -n wcached vgc
	try $L -L 8M -n wcvol vgc
	try lvchange -q -an vgc/wcvol
	try lvconvert -q -y --type writecache --cachevol wcvol vgc/wcached
	# Its blocks are of 4 KiB, and so are the sectors of what lies on it.
	fill /dev/vgc/wcached /dev/vgc/wcached mkfs.ext4 -q -b 4096 -J size=4
	record
	lvm_report
	note status.txt dmsetup status
}

#disks lvm-exported 1 24M
lvm_exported() {
	try vgcreate -q -s 1M vgx "${D[0]}"
	try $L -L 8M -n lv vgx
	fill /dev/vgx/lv /dev/vgx/lv
	record
	try vgchange -q -an vgx
	try vgexport -q vgx
	lvm_report
}

#disks lvm-foreign 1 24M
# A group that belongs to a machine of another system ID.
lvm_foreign() {
	try vgcreate -q -s 1M vgf "${D[0]}"
	try $L -L 8M -n lv vgf
	fill /dev/vgf/lv /dev/vgf/lv
	record
	lvm_report
	try vgchange -q -an vgf
	try vgchange -q -y --systemid other.example vgf
}

#disks lvm-ring 2 24M
# A metadata area so small that the text has run round its end, two areas on each disk.
lvm_ring() {
	try pvcreate -q --metadatasize 32k --dataalignment 4k --pvmetadatacopies 2 "${D[@]}"
	try vgcreate -q -s 1M ring "${D[@]}"
	try $L -L 8M -n lv ring
	fill /dev/ring/lv /dev/ring/lv
	local i
	for i in $(seq 60); do
		lvchange -q --addtag "tag-$i" ring/lv >/dev/null 2>&1 || break
		# Only where the text goes over the end of the area does it take two pieces.
		wraps "${D[0]}" && break
	done
	wraps "${D[0]}" || echo "FAILED: the metadata does not wrap"
	record
	lvm_report
}

# wraps reports whether the text that the first area's header points at goes over its end.
# See struct mda_header: at 4096 its size at +32, the text's offset at +40 and size at +48.
wraps() {
	sync
	local size off len
	size=$(dd if="$1" iflag=direct bs=4096 skip=1 count=1 2>/dev/null | od -An -tu8 -j32 -N8)
	off=$(dd if="$1" iflag=direct bs=4096 skip=1 count=1 2>/dev/null | od -An -tu8 -j40 -N8)
	len=$(dd if="$1" iflag=direct bs=4096 skip=1 count=1 2>/dev/null | od -An -tu8 -j48 -N8)
	echo "text at $off, $len of $size"
	[ $((off + len)) -gt $((size)) ]
}

#disks lvm-nested 1 48M
# A virtual machine's disk in a volume, and a group in a volume of another group.
lvm_nested() {
	try vgcreate -q -s 1M outer "${D[0]}"
	try $L -L 16M -n guest outer
	try sgdisk -n 1:2048:+1M -t 1:ef02 -n 2:0:0 -t 2:8300 -c 2:root /dev/outer/guest >/dev/null
	try kpartx -a -s -p p /dev/outer/guest
	fill /dev/mapper/outer-guestp2 /dev/outer/guest:2
	try kpartx -d /dev/outer/guest
	try $L -L 20M -n store outer
	local scan="--config devices/scan_lvs=1"
	try pvcreate -q $scan /dev/outer/store
	try vgcreate -q $scan -s 1M inner /dev/outer/store
	try $L $scan -L 10M -n lv inner
	fill /dev/inner/lv /dev/inner/lv
	record
	lvm_report $scan
	try vgchange -q $scan -an inner
}

for f in linear names snapshot thin raid partial cache exported foreign ring nested; do fixture lvm-$f; done
