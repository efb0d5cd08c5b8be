# Makes rpms of 20 packages of this system, and has dnf and zypper install them into trees of their own.
packages="less jq tree file bc time zip unzip attr acl libcap2-bin iputils-ping whois lsof psmisc moreutils pv inotify-tools socat patch"
export SOURCE_DATE_EPOCH=1704067200 HOME=$PWD
here=$PWD
mkdir -p top repo
for p in $packages; do
	{
		printf 'Name: %s\nVersion: 1\nRelease: 1\nSummary: %s of Debian\nLicense: none\nAutoReqProv: no\nProvides: /bin/sh\n' $p $p
		[ $p != moreutils ] || echo 'Requires: less, tree >= 1'
		printf '%%global debug_package %%{nil}\n%%global __os_install_post %%{nil}\n%%description\nx\n%%install\n'
		dpkg -L $p | while read -r f; do
			{ [ -f "$f" ] || [ -L "$f" ]; } && [ ! -d "$f" ] && printf 'mkdir -p "%%{buildroot}%s"; cp -a "%s" "%%{buildroot}%s"\n' "${f%/*}" "$f" "$f"
		done
		# Scripts in Lua run without a shell in the tree.
		printf '%%post -p <lua>\nf = io.open("/var/lib/%s.state", "w"); f:write("installed\\n"); f:close()\n' $p
		printf '%%files\n'
		dpkg -L $p | while read -r f; do
			{ [ -f "$f" ] || [ -L "$f" ]; } && [ ! -d "$f" ] || continue
			case $f in
			/bin/ping | /usr/bin/ping) printf '%%caps(cap_net_raw=ep) "%s"\n' "$f" ;;
			/etc/*) printf '%%config(noreplace) "%s"\n' "$f" ;;
			/usr/bin/less) printf '%%attr(2755, root, mail) "%s"\n' "$f" ;;
			*) printf '"%s"\n' "$f" ;;
			esac
		done
	} >$p.spec
	rpmbuild -bb --quiet --define "_topdir $here/top" --define "_rpmdir $here/repo" --define "_buildhost x" \
		--define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' $p.spec >log 2>&1 || { tail -n 5 log; exit 1; }
done
find repo -name '*.rpm' | wc -l
createrepo_c -q --set-timestamp-to-revision --revision 1 repo; echo createrepo $?
mkdir -p d/var/lib z/var/lib conf
printf '[main]\nreposdir=%s\nplugins=0\ncachedir=%s/cache\nlogdir=/var/log\npersistdir=%s/persist\n[x]\nname=x\nbaseurl=file://%s/repo\ngpgcheck=0\n' $here/conf $here $here $here >dnf.conf
D="dnf -q -y -c $here/dnf.conf --installroot=$here/d --releasever=1 --setopt=tsflags="
$D install $packages >log 2>&1; s=$?; echo dnf $s; [ $s = 0 ] || tail -n 5 log
rpm --root $here/d -qa --qf '%{name} %{version}\n' 2>/dev/null | sort | md5sum
rpm --root $here/d -Va 2>&1 | grep -v -i warning; getcap -r d/bin d/usr/bin
$D remove -q tree >log 2>&1; echo remove $?; rpm --root $here/d -q tree moreutils
Z="zypper -q --non-interactive --no-gpg-checks --root $here/z"
$Z ar file://$here/repo x >log 2>&1; echo ar $?
$Z --no-refresh lr 2>&1 | grep -c x
$Z refresh >log 2>&1; echo refresh $?
$Z install --no-recommends $packages >log 2>&1; s=$?; echo zypper $s; [ $s = 0 ] || tail -n 5 log
rpm --root $here/z -qa --qf '%{name} %{version}\n' 2>/dev/null | sort | md5sum
rm -rf top repo d/w /var/log/zypper.log cache persist conf log *.spec d/var/lib/rpm d/var/log d/var/cache d/var/lib/dnf z/var/lib/rpm z/var/log z/var/cache z/var/lib/zypp .rpmdb .cache
