<?php
$g = guestfs_create();
guestfs_add_drive($g, $argv[1], false, "raw");
guestfs_launch($g);
echo "devices ", implode(" ", guestfs_list_devices($g)), "\n";
$filesystems = guestfs_list_filesystems($g);
ksort($filesystems);
foreach ($filesystems as $device => $kind) {
    echo "filesystem $device $kind\n";
}
foreach (guestfs_inspect_os($g) as $root) {
    echo implode(" ", ["root", $root, guestfs_inspect_get_type($g, $root), guestfs_inspect_get_distro($g, $root),
        guestfs_inspect_get_major_version($g, $root), guestfs_inspect_get_hostname($g, $root)]), "\n";
    $mounts = guestfs_inspect_get_mountpoints($g, $root);
    uksort($mounts, fn($a, $b) => strlen($a) - strlen($b));
    foreach ($mounts as $dir => $device) {
        echo "mount $dir $device\n";
        guestfs_mount($g, $device, $dir);
    }
    foreach (guestfs_inspect_list_applications2($g, $root) as $a) {
        echo "application $a[app2_name] $a[app2_epoch] $a[app2_version]\n";
    }
}
echo "list ", implode(" ", guestfs_ls($g, "/boot")), "\n";
echo "read ", trim(guestfs_cat($g, "/etc/hostname")), "\n";
$st = guestfs_statns($g, "/etc/shadow");
printf("stat %o %d %d %d\n", $st["st_mode"], $st["st_uid"], $st["st_gid"], $st["st_size"]);
echo "lines ", count(guestfs_read_lines($g, "/srv/numbers")), "\n";
guestfs_write($g, "/srv/written", "a\0b\n");
echo "written ", guestfs_filesize($g, "/srv/written"), " ", guestfs_checksum($g, "md5", "/srv/written"), "\n";
$name = tempnam(sys_get_temp_dir(), "numbers");
guestfs_download($g, "/srv/numbers", $name);
file_put_contents($name, "and more\n", FILE_APPEND);
guestfs_upload($g, $name, "/srv/uploaded");
unlink($name);
echo "uploaded ", guestfs_filesize($g, "/srv/uploaded"), "\n";
if (guestfs_cat($g, "/nope") === false) {
    echo "error ", guestfs_last_error($g), "\n";
}
guestfs_umount_all($g);
guestfs_shutdown($g);
echo "closed\n";
