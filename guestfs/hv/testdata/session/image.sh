#!/bin/bash
# Makes the image IMG for the commands in commands.txt: ext4 with files of all kinds on
# the first partition, an empty one on the second. usage: image.sh IMG
set -e
img=$1
T=$(mktemp -d)
umask 022
mkdir -p $T/etc $T/bin $T/dir/sub/deep $T/many $T/boot $T/cs/MiXed/Name
cd $T
printf 'root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nabc:x:1000:1000:A B C:/home/abc:/bin/sh\n' > etc/passwd
echo host1 > etc/hostname
printf 'one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\neleven\ntwelve\n' > dir/lines
printf 'no newline at end' > dir/nonl
printf 'a+b\naab\nA.B\n(x)\n\tTab line\nfoo123bar\nx{2}\nxx\n$dollar\n^caret\nword wordy\n[br]\n' > dir/regex
: > dir/empty
printf 'text\0\1\2binary strings here\0abcd\0abc\0\377\376end' > dir/bin
head -c 5000 /dev/zero > dir/zeros
seq 1 300 > dir/seq
printf 'x%.0s' $(seq 1 100) > dir/same
printf 'a\0b\0c\0d\0u\0t\0f\0' > dir/utf16
gzip -n9c dir/lines > dir/lines.gz
bzip2 -c dir/lines > dir/lines.bz2
xz -c dir/lines > dir/lines.xz
ln -s lines dir/link
ln -s /etc/passwd dir/abslink
ln -s nowhere dir/broken
ln -s loop dir/loop
ln -s .. dir/sub/up
ln dir/lines dir/hard
mkfifo dir/fifo
mknod dir/chr c 1 3
mknod dir/blk b 7 1
chmod 4755 dir/same
chmod 1777 many
chown 1000:1000 dir/seq
for i in $(seq 1 20); do echo $i > many/f$i; done
echo x > "dir/sub/space name"
echo x > dir/sub/deep/file
printf "#!/bin/sh\n" > bin/true; chmod 755 bin/true
printf '#!/bin/sh\necho hi\n' > bin/script; chmod 755 bin/script
setfattr -n user.comment -v hello dir/seq
setfattr -n user.bin -v 0x0001ff dir/seq
setfattr -n security.selinux -v system_u:object_r:etc_t:s0 etc/passwd
setcap cap_net_raw+ep bin/true || true
setfacl -m u:1000:rw dir/nonl
setfacl -d -m g:100:rx dir/sub
(cd $T && find dir/sub etc -print | LC_ALL=C sort | cpio -o -H newc --quiet | gzip -n > boot/initrd.gz)
(cd $T && find etc -print | LC_ALL=C sort | cpio -o -H newc --quiet > boot/initrd)
tar -C $T -cf $T/boot/a.tar etc
touch -d @1600000000 $(find . -not -type l | grep -v ' ') "dir/sub/space name"
find . -type l -exec touch -h -d @1600000000 {} +
truncate -s 64M $img
rm -f $img.p1 $img.p2
truncate -s 40M $img.p1; truncate -s 20M $img.p2
mke2fs -q -t ext4 -E hash_seed=41111111-2222-3333-4444-555555555555 -U 11111111-2222-3333-4444-555555555555 -L root -d $T $img.p1
mke2fs -q -t ext4 -E hash_seed=41111111-2222-3333-4444-555555555555 -U 21111111-2222-3333-4444-555555555555 -L boot $img.p2
printf 'label: dos\nlabel-id: 0x12345678\nstart=2048,size=81920,type=83\nstart=83968,size=40960,type=83\n' | sfdisk -q $img
dd if=$img.p1 of=$img bs=1M seek=1 conv=notrunc status=none
dd if=$img.p2 of=$img bs=1M seek=41 conv=notrunc status=none
rm -f $img.p1 $img.p2; rm -rf $T
