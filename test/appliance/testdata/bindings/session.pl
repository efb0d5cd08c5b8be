use strict;
use warnings;
use File::Temp qw(tempdir);
use Sys::Guestfs;

my $g = Sys::Guestfs->new();
$g->add_drive_opts($ARGV[0], format => "raw");
$g->launch();
print "devices ", join(" ", $g->list_devices()), "\n";
my %filesystems = $g->list_filesystems();
print "filesystem $_ $filesystems{$_}\n" for sort keys %filesystems;
for my $root ($g->inspect_os()) {
    print join(" ", "root", $root, $g->inspect_get_type($root), $g->inspect_get_distro($root),
        $g->inspect_get_major_version($root), $g->inspect_get_hostname($root)), "\n";
    my %mounts = $g->inspect_get_mountpoints($root);
    for my $dir (sort { length $a <=> length $b } keys %mounts) {
        print "mount $dir $mounts{$dir}\n";
        $g->mount($mounts{$dir}, $dir);
    }
    print "application $_->{app2_name} $_->{app2_epoch} $_->{app2_version}\n" for $g->inspect_list_applications2($root);
}
print "list ", join(" ", $g->ls("/boot")), "\n";
chomp(my $hostname = $g->cat("/etc/hostname"));
print "read $hostname\n";
my %st = $g->statns("/etc/shadow");
printf "stat %o %d %d %d\n", @st{qw(st_mode st_uid st_gid st_size)};
print "lines ", scalar(my @lines = $g->read_lines("/srv/numbers")), "\n";
$g->write("/srv/written", "a\0b\n");
print "written ", $g->filesize("/srv/written"), " ", $g->checksum("md5", "/srv/written"), "\n";
my $name = tempdir(CLEANUP => 1) . "/numbers";
$g->download("/srv/numbers", $name);
open my $f, ">>", $name or die;
print $f "and more\n";
close $f;
$g->upload($name, "/srv/uploaded");
print "uploaded ", $g->filesize("/srv/uploaded"), "\n";
eval { $g->cat("/nope") };
print "error ", $@ =~ s{ at .*}{}sr, "\n";
die "errno" unless $g->last_errno() == 2;
$g->umount_all();
$g->shutdown();
$g->close();
print "closed\n";
