# lvm-linear lvm-raid lvm-snapshot lvm-thin stack-lvm-on-luks
list-devices
list-partitions
list-md-devices
list-dm-devices
list-ldm-volumes
list-filesystems
pvs
vgs
lvs
pvs-full
vgs-full
lvs-full
pvuuid /dev/sda1
pvuuid /dev/sda
pvuuid /dev/sdj2
vguuid vg0
vguuid none
lvuuid /dev/vg0/root
lvuuid /dev/mapper/vg0-root
lvuuid /dev/vg0/none
vgpvuuids vg0
vglvuuids vgr
vgpvuuids none
is-lv /dev/vg0/root
is-lv /dev/sda1
is-lv /dev/mapper/vg0-root
lvm-canonical-lv-name /dev/mapper/vg0-root
lvm-canonical-lv-name /dev/dm-0
lvm-canonical-lv-name /dev/sda
lvm-canonical-lv-name /dev/vg0/none
mount /dev/vg0/root /
mounts
mountpoints
umount-all
vg-activate false vg0
lvs
