/* Namespaces that a user without rights may have. */
#include "say.h"
#include <sys/mount.h>
#include <sys/prctl.h>

static void put(const char *name, const char *format, int id)
{
	char line[40];
	int fd = open(name, O_WRONLY), n = sprintf(line, format, id);

	if (write(fd, line, n) != n)
		say("%s: %s", name, strerrorname_np(errno));
	close(fd);
}

static void inside(void)
{
	char name[65];
	int uid = getuid(), gid = getgid(), fd;

	try(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET));
	say("%d %d", getuid(), getgid());
	put("/proc/self/setgroups", "deny", 0);
	put("/proc/self/uid_map", "0 %d 1", uid);
	put("/proc/self/gid_map", "0 %d 1", gid);
	say("%d %d", getuid(), getgid());
	try(sethostname("inside", 6));
	gethostname(name, sizeof(name));
	say("%s", name);
	try(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	try(mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
	fd = open("/tmp/unboot-x", O_CREAT | O_RDWR, 0600);
	is(fd >= 0);
	child(say("%d", getpid()); try(mount("proc", "/proc", "proc", 0, NULL)); is(access("/proc/1", F_OK) == 0));
	try(mkdir("/tmp/a", 0755));
	try(mount("/tmp", "/tmp/a", NULL, MS_BIND, NULL));
	try(access("/tmp/a/unboot-x", F_OK));
	try(chroot("/tmp"));
	try(mknod("/null", S_IFCHR | 0666, 1 << 8 | 3));
}

int main(void)
{
	if (getuid() == 0) {
		setgid(65534);
		setuid(65534);
		prctl(PR_SET_DUMPABLE, 1);
	}
	child(inside());
	is(access("/tmp/unboot-x", F_OK) != 0);
	return 0;
}
