/* What programs do with files and that few do. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SAY(x) do { errno = 0; long r_ = (long)(x); printf("%s: %ld %d\n", #x, r_, errno); fflush(stdout); } while (0)
#define OK(x) do { errno = 0; int r_ = (long)(x) >= 0; printf("%s: %d %d\n", #x, r_, errno); fflush(stdout); } while (0)

int main(void)
{
	char buf[8192];
	struct stat st;
	int fd, d, i;

	mkdir("d", 0755);
	d = open("d", O_PATH | O_DIRECTORY);
	fd = openat(d, ".", O_TMPFILE | O_RDWR, 0640);
	OK(fd);
	SAY(write(fd, "unnamed", 7));
	sprintf(buf, "/proc/self/fd/%d", fd);
	SAY(linkat(AT_FDCWD, buf, d, "named", AT_SYMLINK_FOLLOW));
	SAY(renameat2(d, "named", d, "other", RENAME_NOREPLACE));
	close(openat(d, "third", O_CREAT | O_EXCL | O_WRONLY, 0600));
	SAY(renameat2(d, "other", d, "third", RENAME_NOREPLACE));
	SAY(renameat2(d, "other", d, "third", RENAME_EXCHANGE));
	SAY(fstatat(d, "third", &st, 0));
	SAY(st.st_size);
	SAY(renameat2(d, "third", d, "w", RENAME_WHITEOUT));
	SAY(fstatat(d, "third", &st, 0));
	SAY(st.st_mode);
	SAY(unlinkat(d, "third", 0));
	SAY(read(d, buf, 1));
	SAY(fchmod(d, 0700));
	SAY(fchmodat(AT_FDCWD, "d", 0711, 0));
	SAY(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
	fd = open("sparse", O_RDWR | O_CREAT | O_TRUNC, 0600);
	SAY(pwrite(fd, "x", 1, 1 << 20));
	SAY(lseek(fd, 0, SEEK_DATA));
	SAY(lseek(fd, 1 << 20, SEEK_HOLE));
	SAY(fallocate(fd, FALLOC_FL_KEEP_SIZE, 2 << 20, 4096));
	SAY(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096));
	SAY(fallocate(fd, FALLOC_FL_INSERT_RANGE, 4096, 4096));
	SAY(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 4096, 4096));
	SAY(ftruncate(fd, 1L << 44));
	SAY(ftruncate(fd, -1));
	SAY(pwrite(fd, "x", 1, -5));
	SAY(ftruncate(fd, 100));
	SAY(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	SAY(readahead(fd, 0, 100));
	SAY(sync_file_range(fd, 0, 0, 7));
	SAY(fsync(fd));
	SAY(fdatasync(fd));
	SAY(syncfs(fd));
	struct iovec v[3] = { { "ab", 2 }, { "cd", 2 }, { "ef", 2 } };
	SAY(pwritev2(fd, v, 3, 0, RWF_DSYNC));
	SAY(pwritev2(fd, v, 3, -1, RWF_APPEND));
	SAY(preadv2(fd, (struct iovec[]){ { buf, 200 } }, 1, 0, RWF_NOWAIT) > 0);
	SAY(fcntl(fd, F_SETLEASE, F_WRLCK));
	SAY(fcntl(fd, F_GETLEASE));
	SAY(fcntl(fd, F_SETLEASE, F_UNLCK));
	struct flock fl = { F_WRLCK, SEEK_SET, 0, 10 };
	SAY(fcntl(fd, F_OFD_SETLK, &fl));
	int fd2 = open("sparse", O_RDWR);
	fl.l_type = F_RDLCK;
	SAY(fcntl(fd2, F_OFD_SETLK, &fl));
	SAY(flock(fd, LOCK_SH));
	SAY(flock(fd2, LOCK_EX | LOCK_NB));
	int flags = 0;
	SAY(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags |= FS_APPEND_FL;
	SAY(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	SAY(pwrite(fd2, "x", 1, 0));
	SAY(open("sparse", O_RDWR));
	flags &= ~FS_APPEND_FL;
	SAY(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	SAY(ioctl(fd, FIONREAD, &i));
	SAY(ioctl(fd, 0x1234, &i));
	SAY(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
	SAY(fcntl(fd, F_GETFL));
	SAY(fcntl(fd, F_DUPFD_CLOEXEC, 100));
	SAY(dup2(fd, 300));
	SAY(dup3(fd, fd, 0));
	SAY(copy_file_range(fd, 0, fd2, &(off_t){ 200 }, 50, 0));
	SAY(setxattr("sparse", "user.a", "value", 5, XATTR_CREATE));
	SAY(setxattr("sparse", "user.a", "value", 5, XATTR_CREATE));
	SAY(getxattr("sparse", "user.a", buf, 2));
	SAY(listxattr("sparse", buf, 100));
	SAY(setxattr("sparse", "user.b", buf, 100000, 0));
	SAY(setxattr("sparse", "odd.a", "v", 1, 0));
	struct statfs sf;
	SAY(statfs("/proc", &sf));
	SAY(sf.f_type);
	SAY(statfs("/nonexistent", &sf));
	SAY(mknod("fifo", S_IFIFO | 0600, 0));
	SAY(open("fifo", O_WRONLY | O_NONBLOCK));
	SAY(mknod("sock", S_IFSOCK | 0600, 0));
	SAY(open("sock", O_RDONLY));
	for (i = 0; i < 500; i++) {
		sprintf(buf, "d/%03d", i);
		close(open(buf, O_CREAT, 0600));
	}
	DIR *dir = opendir("d");
	long pos = 0;
	for (i = 0; readdir(dir); i++)
		if (i == 250)
			pos = telldir(dir);
	SAY(i);
	seekdir(dir, pos);
	for (i = 0; readdir(dir); i++)
		;
	SAY(i);
	SAY(utimensat(AT_FDCWD, "sparse", (struct timespec[]){ { 1, 2 }, { 0, UTIME_OMIT } }, 0));
	SAY(stat("sparse", &st));
	printf("%ld %ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec);
	SAY(utimensat(AT_FDCWD, "sparse", (struct timespec[]){ { 1L << 33, 0 }, { -5, 7 } }, 0));
	SAY(stat("sparse", &st));
	printf("%ld %ld\n", st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	SAY(link("sparse", "sparse"));
	SAY(symlink("", "empty"));
	SAY(rename("d", "d/sub"));
	SAY(chroot("nonexistent"));
	SAY(open("d", O_WRONLY));
	SAY(open("sparse/", O_RDONLY));
	SAY(open("sparse", O_DIRECTORY));
	SAY(access("sparse", X_OK));
	SAY(mount("none", "d", "nosuchfs", 0, 0));
	SAY(mount("none", "d", "tmpfs", MS_NOEXEC, "size=64k"));
	SAY(statfs("d", &sf));
	SAY(sf.f_blocks);
	fd = open("d/full", O_CREAT | O_WRONLY, 0600);
	for (i = 0; write(fd, buf, 4096) == 4096; i++)
		;
	SAY(i);
	SAY(umount2("d", 0));
	SAY(umount2("d", MNT_DETACH));
	SAY(umount2("d", MNT_DETACH));
	return 0;
}
