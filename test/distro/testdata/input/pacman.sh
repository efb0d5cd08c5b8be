# Makes 20 packages as makepkg does, and has pacman install them into a tree of its own.
mkdir -p p root/var/lib/pacman root/etc
printf '[options]\nArchitecture = auto\nSigLevel = Never\nLocalFileSigLevel = Never\n' >conf
for i in $(seq 20); do
	rm -rf b; mkdir -p b/usr/bin b/usr/share/pkg$i b/etc
	cp /bin/true b/usr/bin/pkg$i; chmod 4755 b/usr/bin/pkg$i
	seq $i 1000 >b/usr/share/pkg$i/data; ln b/usr/share/pkg$i/data b/usr/share/pkg$i/link; ln -s data b/usr/share/pkg$i/sym
	echo "v=$i" >b/etc/pkg$i.conf; chown games:adm b/etc/pkg$i.conf; chmod 640 b/etc/pkg$i.conf
	printf 'pkgname = pkg%d\npkgver = 1-%d\npkgdesc = x\nbuilddate = 1704067200\npackager = x\nsize = 1000\narch = any\nbackup = etc/pkg%d.conf\n' $i $i $i >b/.PKGINFO
	[ $i = 1 ] || printf 'depend = pkg%d\n' $((i - 1)) >>b/.PKGINFO
	(cd b && tar --sort=name --mtime=@1704067200 -cf - .PKGINFO etc usr | zstd -q -o ../p/pkg$i-1-$i-any.pkg.tar.zst)
done
M="pacman --noconfirm --noprogressbar --root $PWD/root --dbpath $PWD/root/var/lib/pacman --config $PWD/conf --cachedir $PWD/c --logfile $PWD/log --hookdir $PWD/h"
$M -U p/*.zst >out 2>&1; s=$?; echo install $s; [ $s = 0 ] || tail -n 5 out
$M -Q; $M -Qkk 2>&1 | tail -n 3; $M -Ql pkg3
$M -R pkg20 >out 2>&1; echo remove $?; $M -R pkg3 2>&1 | tail -n 1; $M -Qo $PWD/root/usr/bin/pkg4
rm -rf b p c h log out conf root/var/lib/pacman
