# stack-md-luks-lvm
list-devices
list-partitions
list-md-devices
list-dm-devices
list-filesystems
md-detail /dev/md127
md-stat /dev/md127
md-detail /dev/sda
md-stat /dev/sda
luks-uuid /dev/md127
luks-open /dev/md127 crypt
list-dm-devices
list-filesystems
pvs
lvs
pvs-full
vfs-type /dev/vg/root
mount-ro /dev/vg/root /
cat /hello.txt
mounts
md-stop /dev/md127
cryptsetup-close /dev/mapper/crypt
umount-all
vg-activate false vg
cryptsetup-close /dev/mapper/crypt
cryptsetup-close /dev/mapper/none
cryptsetup-open /dev/md127 again
cryptsetup-open /dev/md127 twice
is-whole-device /dev/md127
ldmtool-scan
ldmtool-diskgroup-name none
feature-available luks
