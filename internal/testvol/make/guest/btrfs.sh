# Fixtures of btrfs and bcache. See lvm.sh.
LINES=4000

btrfs_report() {
	record
	note subvolumes.txt btrfs subvolume list -puqR /tmp/m
	note default.txt btrfs subvolume get-default /tmp/m
	note show.txt btrfs filesystem show --raw /tmp/m
	note usage.txt btrfs filesystem usage -b /tmp/m
	note df.txt btrfs filesystem df -b /tmp/m
	note devices.txt btrfs device usage -b /tmp/m
}

# volumes: a tree of subvolumes on what is mounted on /tmp/m. In subvolumes.txt are their IDs.
volumes() {
	try btrfs -q subvolume create /tmp/m/home
	try btrfs -q subvolume create /tmp/m/home/nested
	echo -n "$N home/nested" >/tmp/m/home/nested/hello.txt
	echo -n "$N home" >/tmp/m/home/hello.txt
	try btrfs -q subvolume snapshot -r /tmp/m/home /tmp/m/home.snap
	echo -n "$N home changed" >/tmp/m/home/hello.txt
	try btrfs -q subvolume snapshot /tmp/m/home /tmp/m/home.copy
	try btrfs -q subvolume create "/tmp/m/with space ä"
	sync -f /tmp/m
}

#disks btrfs-raid1 3 128M
btrfs_raid1() {
	try mkfs.btrfs -q -L three -d raid1 -m raid1 "${D[@]}"
	try mount "${D[0]}" /tmp/m && put btrfs && volumes
	btrfs_report
}

#disks btrfs-raid0 2 128M
# The subvolume "default" is what is mounted if nothing else is said.
btrfs_raid0() {
	try mkfs.btrfs -q -d raid0 -m raid1 "${D[@]}"
	try mount "${D[0]}" /tmp/m && put btrfs && volumes
	try btrfs -q subvolume create /tmp/m/default
	echo -n "$N default" >/tmp/m/default/hello.txt
	try btrfs subvolume set-default /tmp/m/default
	btrfs_report
}

#disks btrfs-raid56 4 128M
btrfs_raid56() {
	try mkfs.btrfs -q -d raid5 -m raid1c3 "${D[@]}"
	try mount "${D[0]}" /tmp/m && put btrfs
	btrfs_report
}

#disks btrfs-single 1 128M
# Streams of `btrfs send`: all of the snapshot one, and from it to the snapshot two.
btrfs_single() {
	try mkfs.btrfs -q -M "${D[0]}"
	try mount -o compress=zstd "${D[0]}" /tmp/m && put btrfs
	try btrfs -q subvolume create /tmp/m/sub
	mkdir /tmp/m/sub/dir
	data "$N sub" >/tmp/m/sub/dir/data
	ln -s dir/data /tmp/m/sub/link
	ln /tmp/m/sub/dir/data /tmp/m/sub/hard
	chmod 640 /tmp/m/sub/hard
	chown 1000:1000 /tmp/m/sub/dir
	setfattr -n user.test -v value /tmp/m/sub/dir
	try btrfs -q subvolume snapshot -r /tmp/m/sub /tmp/m/one
	cp --reflink=always /tmp/m/sub/dir/data /tmp/m/sub/clone
	mv /tmp/m/sub/link /tmp/m/sub/renamed
	rm /tmp/m/sub/hard
	truncate -s 1M /tmp/m/sub/hole
	try btrfs -q subvolume snapshot -r /tmp/m/sub /tmp/m/two
	sync -f /tmp/m
	try btrfs -q send -f "$R/one.stream" /tmp/m/one
	try btrfs -q send -p /tmp/m/one -f "$R/two.stream" /tmp/m/two
	btrfs_report
}

#disks bcache 2 192M
# Dirty data is in the cache, which is the second disk.
bcache() {
	try make-bcache -B "${D[0]}" -C "${D[1]}" --bucket 64k --writeback
	udevadm settle
	local d
	# Where udev's rules have not done it.
	for d in "${D[@]}"; do echo "$d" >/sys/fs/bcache/register; done 2>/dev/null
	udevadm settle
	sleep 1
	echo 0 >/sys/block/bcache0/bcache/writeback_running
	fill /dev/bcache0 /dev/bcache0
	record
	for d in "${D[@]}"; do
		echo "# $d"
		bcache-super-show "$d"
	done >/tmp/super
	note super.txt cat /tmp/super
	cat /sys/block/bcache0/bcache/dirty_data /sys/block/bcache0/bcache/state
	echo 1 >/sys/block/bcache0/bcache/stop
	for d in /sys/fs/bcache/*-*/stop; do echo 1 >"$d"; done
	sleep 1
}

for f in btrfs-raid1 btrfs-raid0 btrfs-raid56 btrfs-single bcache; do fixture $f; done
