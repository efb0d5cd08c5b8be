# Fixtures of MD. See lvm.sh.
LINES=20000
M="mdadm --create --run --quiet --homehost=fixture.example"

# parts SIZE COUNT DISK...: a GPT with that many partitions for arrays on each disk.
parts() {
	local size=$1 count=$2 d i args=()
	shift 2
	for ((i = 1; i <= count; i++)); do args+=(-n $i:0:+$size -t $i:fd00); done
	for d in "$@"; do try sgdisk "${args[@]}" "$d" >/dev/null; done
	udevadm settle
}

# on NUMBER DISK...: the paths of a partition on some disks.
on() {
	local i=$1
	shift
	echo "${@/%/$i}"
}

# arrays prints the paths of all active arrays.
arrays() { lsblk -rnpo NAME,TYPE "${D[@]}" | sed -n 's/^\([^ ]*\) \(raid\|linear\).*/\1/p' | sort -u; }

md_report() {
	local a
	for a in $(arrays); do
		mdadm --wait "$a" 2>/dev/null
		echo "# $(md_name "${a#/dev/}")"
		mdadm --detail "$a"
		mdadm --detail --export "$a"
	done >/tmp/detail
	record
	note detail.txt cat /tmp/detail
	note mdstat.txt cat /proc/mdstat
	examine
}

examine() {
	local d
	for d in $(ours); do
		mdadm --examine "$d" >/tmp/examine 2>/dev/null || continue
		echo "# $d"
		cat /tmp/examine
		mdadm --examine --export "$d"
	done >/tmp/examined
	note examine.txt cat /tmp/examined
}

#disks md-levels 4 96M
# Every level with the superblock of today, by name.
md_levels() {
	parts 7M 10 "${D[@]}"
	try $M /dev/md/linear --level linear -n 3 $(on 1 "${D[@]:0:3}")
	try $M /dev/md/r0 --level 0 -n 3 --chunk 64 $(on 2 "${D[@]:0:3}")
	try $M /dev/md/r1 --assume-clean --level 1 -n 2 $(on 3 "${D[@]:0:2}")
	try $M /dev/md/r4 --assume-clean --level 4 -n 3 --chunk 64 $(on 4 "${D[@]:0:3}")
	try $M /dev/md/r5 --assume-clean --level 5 -n 4 --chunk 64 $(on 5 "${D[@]}")
	try $M /dev/md/r5ra --assume-clean --level 5 --layout ra -n 3 --chunk 32 $(on 6 "${D[@]:0:3}")
	try $M /dev/md/r6 --assume-clean --level 6 -n 4 --chunk 64 $(on 7 "${D[@]}")
	try $M /dev/md/r10 --assume-clean --level 10 -n 4 --chunk 64 $(on 8 "${D[@]}")
	try $M /dev/md/r10f --assume-clean --level 10 --layout f2 -n 3 --chunk 64 $(on 9 "${D[@]:0:3}")
	try $M /dev/md/r10o --assume-clean --level 10 --layout o2 -n 3 --chunk 64 $(on 10 "${D[@]:0:3}")
	udevadm settle
	local r
	for r in linear r0 r1 r4 r5 r5ra r6 r10 r10f r10o; do fill /dev/md/$r /dev/md/$r; done
	md_report
}

#disks md-versions 3 64M
# The four places that a superblock can have.
md_versions() {
	parts 10M 5 "${D[@]}"
	local v i=1
	for v in 0.90 1.0 1.1 1.2; do
		try $M /dev/md/v$v --metadata $v --assume-clean --level 1 -n 2 $(on $i "${D[@]:0:2}")
		i=$((i + 1))
	done
	try $M /dev/md/r5v0.90 --metadata 0.90 --assume-clean --level 5 -n 3 --chunk 64 $(on 5 "${D[@]}")
	udevadm settle
	for v in v0.90 v1.0 v1.1 v1.2 r5v0.90; do fill /dev/md/$v /dev/md/$v; done
	md_report
}

#disks md-stale 3 48M
# Members that left their arrays before the last writes: their data is old.
md_stale() {
	parts 16M 2 "${D[@]}"
	try $M /dev/md/r1 --assume-clean --level 1 -n 2 $(on 1 "${D[@]:0:2}")
	try $M /dev/md/r5 --assume-clean --level 5 -n 3 --chunk 64 $(on 2 "${D[@]}")
	udevadm settle
	leave r1 "${D[0]}1"
	leave r5 "${D[1]}2"
	md_report
}

# leave ARRAY MEMBER: the member fails before the array's files are written once more.
leave() {
	fill "/dev/md/$1" "/dev/md/$1"
	try mdadm --quiet "/dev/md/$1" --fail "$2" && try mdadm --quiet "/dev/md/$1" --remove "$2"
	try mount "/dev/md/$1" /tmp/m && put "/dev/md/$1" changed && try umount /tmp/m
}

#disks md-features 4 64M
# A bitmap, a journal, a partial parity log, a member that is mostly written to, a spare.
md_features() {
	parts 10M 4 "${D[@]}"
	try $M /dev/md/bitmap --assume-clean --level 1 -n 2 --bitmap internal $(on 1 "${D[@]:0:2}")
	try $M /dev/md/journal --level 5 -n 3 --chunk 64 --write-journal "${D[3]}2" $(on 2 "${D[@]:0:3}")
	try $M /dev/md/ppl --assume-clean --level 5 -n 3 --chunk 64 --consistency-policy ppl $(on 3 "${D[@]:0:3}")
	try $M /dev/md/spare --assume-clean --level 1 -n 2 "${D[0]}4" --write-mostly "${D[1]}4"
	try mdadm --quiet /dev/md/spare --add-spare "${D[2]}4"
	udevadm settle
	local r
	for r in bitmap journal ppl spare; do mdadm --wait /dev/md/$r; fill /dev/md/$r /dev/md/$r; done
	md_report
}

#disks md-dirty 6 40M
# Arrays as a power failure leaves them: copies of the members while they are written to,
# with a file system whose journal is to be replayed. The last three disks are the originals.
md_dirty() {
	local r i
	parts 16M 2 "${D[@]:3}"
	try $M /dev/md/r1 --assume-clean --level 1 -n 2 $(on 1 "${D[@]:3:2}")
	try $M /dev/md/r5 --assume-clean --level 5 -n 3 --chunk 64 $(on 2 "${D[@]:3}")
	udevadm settle
	for r in r1 r5; do
		# Without the delay an array is not marked clean again when nothing is written.
		echo 0 >"/sys/block/$(basename "$(readlink -f /dev/md/$r)")/md/safe_mode_delay"
		try mkfs.ext4 -q -b 1024 -E lazy_itable_init=0,lazy_journal_init=0 /dev/md/$r
		mkdir -p /tmp/m.$r
		try mount /dev/md/$r /tmp/m.$r
		try mount --bind /tmp/m.$r /tmp/m && put /dev/md/$r && umount /tmp/m
		echo later >/tmp/m.$r/later.txt
		sync -f /tmp/m.$r
	done
	for i in 0 1 2; do try dd if="${D[i + 3]}" of="${D[i]}" iflag=direct oflag=direct bs=1M status=none; done
	for r in r1 r5; do try umount /tmp/m.$r; done
	try mdadm --stop /dev/md/r1 /dev/md/r5
	for i in 0 1 2; do blockdev --rereadpt "${D[i]}"; done
	touch "$R"/drop.{d,e,f}
	D=("${D[@]:0:3}")
	udevadm settle
	mdadm --stop --scan # what udev's rules have assembled of the copies
	record
	examine
}

#disks md-partitioned 2 48M
# Whole disks as members, and partitions on the array.
md_partitioned() {
	try $M /dev/md/disk --metadata 1.0 --assume-clean --level 1 -n 2 "${D[@]}"
	try sgdisk -n 1:2048:+12M -t 1:8300 -c 1:one -n 2:0:0 -t 2:8300 -c 2:two /dev/md/disk >/dev/null
	udevadm settle
	blockdev --rereadpt /dev/md/disk
	udevadm settle
	local md
	md=$(readlink -f /dev/md/disk)
	fill "${md}p1" /dev/md/disk:1
	fill "${md}p2" /dev/md/disk:2
	md_report
}

#disks md-ddf 3 48M
# The format of SNIA: a container with arrays in it.
md_ddf() {
	try timeout 60 mdadm --create --run --quiet /dev/md/ddf -e ddf -n 3 "${D[@]}"
	try timeout 60 mdadm --create --run --quiet --assume-clean /dev/md/mirror --level 1 -n 2 --size 8M /dev/md/ddf
	try timeout 60 mdadm --create --run --quiet --assume-clean /dev/md/parity --level 5 -n 3 --chunk 64 --size 8M /dev/md/ddf
	container mirror parity
}

#disks md-imsm 3 48M
# Intel's format.
md_imsm() {
	export IMSM_NO_PLATFORM=1
	try timeout 60 mdadm --create --run --quiet /dev/md/imsm -e imsm -n 3 "${D[@]}"
	try timeout 60 mdadm --create --run --quiet --assume-clean /dev/md/stripe --level 0 -n 3 --chunk 64 --size 8M /dev/md/imsm
	try timeout 60 mdadm --create --run --quiet --assume-clean /dev/md/parity --level 5 -n 3 --chunk 64 --size 8M /dev/md/imsm
	container stripe parity
}

container() {
	local r
	udevadm settle
	for r in "$@"; do try fill /dev/md/$r /dev/md/$r; done
	md_report
	for r in "$@"; do try timeout 30 mdadm --stop /dev/md/$r; done
	sync
	examine # the containers' metadata is written when arrays stop
}

for f in levels versions stale features dirty partitioned ddf imsm; do fixture md-$f; done
