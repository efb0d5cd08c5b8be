# Functions for the scripts that run in libguestfs's appliance and make fixtures.
#
# A fixture is a function of its own, called between begin and finish. Its disks are found
# by their labels, which udev makes links of: the kernel names disks in the order in which
# it happens to find them, which is not the order of the command line.
export PATH=/usr/sbin:/sbin:/usr/bin:/bin LC_ALL=C
REC=/tmp/rec
LINES=20000 # of a file "data": some 500 KB, so that it spans several stripes. Each script sets it
mkdir -p $REC /tmp/m

modprobe -a dm-mod dm-raid raid456 raid10 raid1 raid0 linear dm-integrity dm-cache dm-cache-smq \
	dm-writecache dm-verity dm-snapshot dm-mirror dm-thin-pool dm-crypt authenc bcache || true

try() {
	echo "+ $*"
	"$@" && return
	local rc=$?
	echo "FAILED $rc: $*"
	return $rc
}

# begin NAME: D has the fixture's disks, R is the folder of its record.
begin() {
	N=$1 R=$REC/$1 D=() T=$SECONDS
	mkdir -p "$R"
	: >/tmp/names
	local label fixture i letter=(a b c d e f g h)
	while read -r label fixture i; do
		[ "$fixture" = "$N" ] || continue
		D[i]=$(readlink -f /dev/disk/guestfs/$label)
		# The program that opens the fixture has its disks in the order of their numbers.
		echo "${D[i]#/dev/} sd${letter[i]}" >>/tmp/names
	done </tmp/disks
	echo "## $N: ${D[*]}"
}

# plain prints its input with the names that disks have in a machine with the fixture's
# disks alone.
plain() {
	local from to args=()
	while read -r from to; do args+=(-e "s,\b$from\([0-9]*\)\b,@$to\1@,g"); done </tmp/names
	sed "${args[@]}" -e 's,@\(sd[a-h][0-9]*\)@,\1,g'
}

# note FILE COMMAND...: the command's output goes to a file of the record.
note() {
	local file=$1
	shift
	"$@" 2>>/tmp/note.err | plain >"$R/$file"
	[ -s "$R/$file" ] || rm "$R/$file"
}

# tables prints `dmsetup table --showkeys` with names in the place of device numbers.
tables() {
	local sys kname name args=()
	for sys in /sys/block/*/dev /sys/block/*/*/dev; do
		[ -e "$sys" ] || continue # no disk has partitions
		kname=$(basename "$(dirname "$sys")") name=$kname
		case $kname in
		dm-*) name=$(cat "/sys/block/$kname/dm/name") ;;
		md*) name=$(md_name "$kname") ;;
		esac
		# dm-integrity has the number of its second device in a word with a prefix.
		args+=(-e "s,\([ a-z]:\? \?\)$(cat "$sys")\( \|\$\),\1<$name>\2,g")
	done
	# Twice: of two numbers side by side one pass sees only the first.
	dmsetup table --showkeys "$@" | sed "${args[@]}" | sed -e 's, *$,,' "${args[@]}" | sort -s -t: -k1,1
}

# md_name prints the name of an array's link in /dev/md, or its own.
md_name() {
	local link
	for link in /dev/md/*; do
		[ "$(readlink -f "$link")" = "/dev/$1" ] && echo "md/${link#/dev/md/}" && return
	done
	echo "$1"
}

# uuids prints name, UUID and attributes, whose fourth letter is r where only reading is
# allowed: see dmsetup(8).
uuids() { dmsetup info -c --noheadings --separator ' ' -o name,uuid,attr | sort; }

# ours prints the paths of the fixture's block devices: disks, and all that lies on them.
ours() { lsblk -rnpo NAME "${D[@]}" | sort -u; }

probes() {
	local d
	for d in $(ours); do
		echo "DEVICE=$d"
		blkid -p -o export "$d" | grep -v ^DEVNAME=
		echo
	done
}

# record writes down what the tools say while everything is active.
record() {
	sync
	udevadm settle
	[ -z "$(dmsetup ls 2>/dev/null | grep -v '^No dev')" ] || { note table.txt tables; note uuids.txt uuids; }
	note lsblk.json lsblk -Jbo NAME,TYPE,SIZE,FSTYPE,LABEL,UUID,PARTLABEL,PARTUUID,RO "${D[@]}"
	note blkid.txt probes
}

LVS=vg_name,lv_name,lv_full_name,lv_uuid,lv_path,lv_dm_path,lv_size,lv_attr,lv_layout,lv_role,lv_active,lv_permissions,lv_health_status,lv_parent,origin,pool_lv,data_lv,metadata_lv,move_pv,mirror_log,modules,lv_tags,lv_major,lv_minor,seg_count,snap_percent,copy_percent,data_percent,metadata_percent
SEGS=vg_name,lv_name,segtype,seg_start_pe,seg_size_pe,stripes,data_stripes,stripe_size,region_size,chunk_size,seg_pe_ranges,devices,metadata_devices,thin_id,transaction_id,discards,cache_mode,cache_policy,cache_metadata_format

# lvm_report [OPTION...]: what lvs, vgs, pvs and vgcfgbackup print.
lvm_report() {
	local vg q="--units b --nosuffix --reportformat json $*"
	note lvs.json lvs -a $q -o $LVS
	note segs.json lvs -a $q --segments -o $SEGS
	note vgs.json vgs $q -o vg_all
	note pvs.json pvs $q -o pv_all,vg_name
	for vg in $(vgs --noheadings -o name "$@" 2>/dev/null); do
		vgcfgbackup -q -f /tmp/cfg "$@" "$vg" >/dev/null 2>&1 && note "$vg.vg" cat /tmp/cfg
	done
}

# data prints the content of the file "data" on a device.
data() { seq -f "$1 %08.0f" 1 $LINES; }

# fill DEVICE NODE [COMMAND...]: a file system on a device, with hello.txt and data. NODE is
# how its users know the device; hello.txt has the fixture's name and the node.
fill() {
	local dev=$1 node=$2
	shift 2
	[ $# -gt 0 ] || set -- mkfs.ext4 -q -b 1024 -E lazy_itable_init=0,lazy_journal_init=0
	try "$@" "$dev" && try mount "$dev" /tmp/m && put "$node" && try umount /tmp/m
}

# put NODE [TEXT]: the files on what is mounted on /tmp/m, and their line of content.txt.
put() {
	printf '%s %s' "$N" "$1" >/tmp/m/hello.txt
	data "$N ${2:-$1}" >/tmp/m/data
	sync -f /tmp/m
	content "$1"
}

# content NODE: the line of content.txt for what is mounted on /tmp/m: node, file system,
# hello.txt, size and SHA-256 of data.
content() {
	local fs hello size sum
	fs=$(stat -f -c %T /tmp/m) hello=$(cat /tmp/m/hello.txt) size=$(stat -c %s /tmp/m/data)
	sum=$(sha256sum </tmp/m/data)
	case $fs in
	ext2/ext3) fs=ext4 ;;
	msdos) fs=vfat ;;
	esac
	[ ! -e "$R/content.txt" ] || sed -i "\\,^$1\t,d" "$R/content.txt"
	printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$fs" "$hello" "$size" "${sum%% *}" >>"$R/content.txt"
}

# down takes everything down.
down() {
	local d round
	sync
	umount /tmp/m 2>/dev/null
	for round in 1 2 3; do
		for d in $(dmsetup ls --target crypt 2>/dev/null | sed 's/\t.*//;/^No dev/d'); do cryptsetup close "$d" 2>/dev/null; done
		vgchange -q -an >/dev/null 2>&1
		mdadm --stop --scan >/dev/null 2>&1
		dmsetup remove_all >/dev/null 2>&1
	done
	udevadm settle
}

# finish takes the fixture down, and its disks away, so that the next may use the same names.
finish() {
	local d
	down
	dmsetup ls | grep -v '^No dev' && echo "FAILED: devices are left of $N"
	for d in "${D[@]}"; do
		blockdev --flushbufs "$d"
		echo 1 >"/sys/block/${d#/dev/}/device/delete"
	done
	udevadm settle
	echo "## $N took $((SECONDS - T)) s"
}

# fixture NAME: runs the function of that name, with _ for -.
fixture() {
	[ -z "$ONLY" ] || [[ " $ONLY " == *" $1 "* ]] || return
	begin "$1"
	"${1//-/_}"
	finish
}
