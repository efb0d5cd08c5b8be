# Looks at disks that another program has written, set by set, with the real tools. Each set
# sees its own disks alone, so sets may be copies of the same disks.
#
# /tmp/disks has lines "LABEL SET NUMBER", /tmp/keys "SET DEVICE PASSPHRASE-FILE". In the
# record of a set are volumes.txt (a line each: node, file system, "mounted" or the reason,
# exit status of its check), files.txt (node, SHA-256, path), and what the tools print.

# Groups may lie in volumes of others, and arrays have their names wherever they were made.
printf 'devices { scan_lvs = 1 }\n' >>/etc/lvm/lvmlocal.conf
mkdir -p /etc/mdadm
printf 'HOMEHOST <ignore>\n' >/etc/mdadm/mdadm.conf

# unplug takes all disks of sets away, and remembers their places on the bus.
unplug() {
	local label set i dev
	: >/tmp/places
	while read -r label set i; do
		dev=$(basename "$(readlink -f "/dev/disk/guestfs/$label")")
		echo "$label $(basename "$(readlink -f "/sys/block/$dev/device")")" >>/tmp/places
	done </tmp/disks
	down
	while read -r label set i; do
		dev=$(basename "$(readlink -f "/dev/disk/guestfs/$label")")
		echo 1 >"/sys/block/$dev/device/delete"
	done </tmp/disks
	udevadm settle
}

# plug SET: its disks come back.
plug() {
	local label set i place host
	while read -r label set i; do
		[ "$set" = "$1" ] || continue
		place=$(sed -n "s/^$label //p" /tmp/places) host=${place%%:*}
		place=${place#*:}
		echo "${place//:/ }" >"/sys/class/scsi_host/host$host/scan"
	done </tmp/disks
	udevadm settle
}

# up activates what there is, from the bottom to the top.
up() {
	local round set dev file
	for round in 1 2 3; do
		mdadm --assemble --scan --run
		udevadm settle
		vgchange -q -ay
		while read -r set dev file; do
			[ "$set" = "$N" ] || continue
			[[ $dev != /dev/sd* ]] || dev=$(real "$dev")
			[ -b "$dev" ] && ! [ -e "/dev/mapper/luks-$(basename "$dev")" ] || continue
			try cryptsetup -q --key-file="$file" open "$dev" "luks-$(basename "$dev")"
		done </tmp/keys
		udevadm settle
	done
	btrfs device scan
}

# real PATH: the path that a disk or partition of the set has here.
real() {
	local from to
	while read -r from to; do
		[[ $1 != /dev/$to* ]] || { echo "/dev/$from${1#/dev/"$to"}"; return; }
	done </tmp/names
	echo "$1"
}

# check DEVICE TYPE: the exit status of the check that changes nothing. 0 is fine.
check() {
	case $2 in
	ext*) e2fsck -fn "$1" ;;
	xfs) xfs_repair -n "$1" ;;
	btrfs) btrfs check --readonly "$1" ;;
	vfat) fsck.vfat -n "$1" ;;
	ntfs) ntfsfix -n "$1" ;;
	*) return 0 ;;
	esac >>/tmp/check 2>&1
}

# look DEVICE TYPE: its lines in volumes.txt and files.txt.
look() {
	local node how status
	node=$(name_of "$1")
	echo "# $node" >>/tmp/check
	check "$1" "$2"
	status=$?
	if how=$(mount -o ro "$1" /tmp/m 2>&1); then
		how=mounted
		(cd /tmp/m && find . -xdev -type f -size -65M | sort | head -n 200 | while read -r file; do
			set -- $(sha256sum <"$file")
			printf '%s\t%s\t%s\n' "$node" "$1" "${file#./}"
		done) >>/tmp/files
		umount /tmp/m
	fi
	printf '%s\t%s\t%s\t%s\n' "$node" "$2" "$(echo $how)" "$status" >>/tmp/volumes
}

# name_of DEVICE: /dev/mapper/…, /dev/md/… or the disk's name in its set.
name_of() {
	case $1 in
	/dev/md*) echo "/dev/$(md_name "${1#/dev/}")" ;;
	*) echo "$1" ;;
	esac
}

verify() {
	local dev type
	plug "$1"
	begin "$1"
	: >/tmp/check >/tmp/files >/tmp/volumes
	up
	lsblk -o NAME,TYPE,SIZE,FSTYPE "${D[@]}"
	for dev in $(lsblk -rnpo NAME "${D[@]}" | sort -u); do
		type=$(blkid -p -o value -s TYPE "$dev")
		case $type in
		'' | *_member | crypto_LUKS | swap | DM_* | BitLocker | bcache) continue ;;
		esac
		# What another device is active on is a part of it, such as the origin of a cache.
		[ "$(lsblk -rno NAME "$dev" | wc -l)" -gt 1 ] && [ "$type" != btrfs ] && continue
		look "$dev" "$type"
	done
	note volumes.txt cat /tmp/volumes
	note files.txt cat /tmp/files
	note checks.txt cat /tmp/check
	[ -z "$(vgs --noheadings -o name)" ] || {
		lvm_report
		vgck >/tmp/vgck 2>&1
		echo "exit status $?" >>/tmp/vgck
		note vgck.txt cat /tmp/vgck
		note health.txt lvs -a --noheadings -o lv_full_name,lv_health_status,raid_mismatch_count,integritymismatches
		note status.txt dmsetup status
	}
	record
	for dev in $(ours); do
		mdadm --examine "$dev" >>/tmp/examined 2>/dev/null
		cryptsetup isLuks "$dev" 2>/dev/null && { echo "# $dev"; cryptsetup luksDump "$dev"; } >>/tmp/dumped
	done
	note examine.txt cat /tmp/examined
	note luksDump.txt cat /tmp/dumped
	note mdstat.txt cat /proc/mdstat
	rm -f /tmp/examined /tmp/dumped
	finish
}

unplug
for set in $(sed 's/^[^ ]* \([^ ]*\) .*/\1/' /tmp/disks | uniq); do verify "$set"; done
