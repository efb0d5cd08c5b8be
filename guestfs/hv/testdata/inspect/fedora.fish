mountpoints
inspect-get-roots
-inspect-get-format btrfsvol:/dev/sda3/root
-inspect-get-mountpoints btrfsvol:/dev/sda3/root
-inspect-get-product-variant btrfsvol:/dev/sda3/root
-inspect-is-live btrfsvol:/dev/sda3/root
-inspect-is-netinst btrfsvol:/dev/sda3/root
-inspect-is-multipart btrfsvol:/dev/sda3/root
-inspect-get-drive-mappings btrfsvol:/dev/sda3/root
-inspect-get-windows-systemroot btrfsvol:/dev/sda3/root
-inspect-get-windows-software-hive btrfsvol:/dev/sda3/root
-inspect-get-windows-system-hive btrfsvol:/dev/sda3/root
-inspect-get-windows-current-control-set btrfsvol:/dev/sda3/root
-inspect-get-type /dev/sda2
-inspect-get-type btrfsvol:/dev/sda3/none
-inspect-get-type /dev/sdx
-inspect-get-osinfo btrfsvol:/dev/sda3/root
ls /boot
inspect-os
mountpoints
-cat /etc/hostname
