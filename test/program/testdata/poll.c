/* Descriptors that are no files. */
#include "say.h"
#include <poll.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <termios.h>

static void epolls(void)
{
	int ep = epoll_create1(0), p[2], e = eventfd(0, EFD_NONBLOCK), t = timerfd_create(CLOCK_MONOTONIC, 0);
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 1 };
	struct itimerspec its = { { 0, 0 }, { 0, 3000000 } };
	uint64_t n;

	pipe(p);
	try(epoll_wait(ep, &ev, 1, 0));
	ev.data.u32 = 1;
	try(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	ev.data.u32 = 2;
	try(epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev));
	ev.data.u32 = 3;
	try(epoll_ctl(ep, EPOLL_CTL_ADD, t, &ev));
	try(epoll_ctl(ep, EPOLL_CTL_ADD, t, &ev));
	try(timerfd_settime(t, 0, &its, NULL));
	try(epoll_wait(ep, &ev, 1, -1));
	say("%d", ev.data.u32);
	try(read(t, &n, 8));
	say("%lu", n);
	try(read(e, &n, 8));
	n = 5;
	try(write(e, &n, 8));
	try(epoll_wait(ep, &ev, 1, -1));
	say("%d", ev.data.u32);
	try(read(e, &n, 8));
	child(write(p[1], "x", 1));
	try(epoll_wait(ep, &ev, 1, -1));
	say("%d %#x", ev.data.u32, ev.events);
	close(p[1]);
	try(epoll_wait(ep, &ev, 1, -1));
	say("%d %#x", ev.data.u32, ev.events);
}

static void signals(void)
{
	struct signalfd_siginfo si;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	try(read(fd, &si, sizeof(si)));
	raise(SIGUSR1);
	try(read(fd, &si, sizeof(si)));
	say("%d from itself: %d", si.ssi_signo, si.ssi_pid == getpid());
}

static void watches(void)
{
	char buf[4096] __attribute__((aligned(8)));
	int fd = inotify_init1(IN_NONBLOCK);
	ssize_t n;

	mkdir("/tmp/unboot-watched", 0755);
	may(inotify_add_watch(fd, "/tmp/unboot-watched", IN_ALL_EVENTS));
	close(open("/tmp/unboot-watched/file", O_CREAT | O_RDWR, 0600));
	rename("/tmp/unboot-watched/file", "/tmp/unboot-watched/other");
	unlink("/tmp/unboot-watched/other");
	rmdir("/tmp/unboot-watched");
	n = read(fd, buf, sizeof(buf));
	for (char *p = buf; p < buf + n; p += sizeof(struct inotify_event) + ((struct inotify_event *)p)->len) {
		struct inotify_event *e = (void *)p;

		say("%#x %s", e->mask, e->len ? e->name : "");
	}
}

static void pids(void)
{
	int fd, status;
	pid_t pid = fork();
	struct pollfd p = { .events = POLLIN };

	if (pid == 0) {
		pause();
		_exit(1);
	}
	fd = syscall(SYS_pidfd_open, pid, 0);
	p.fd = fd;
	try(poll(&p, 1, 0));
	try(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
	try(poll(&p, 1, -1));
	waitpid(pid, &status, 0);
	say("%d", WTERMSIG(status));
	try(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
}

static void terminals(void)
{
	struct winsize ws = { 30, 90 };
	struct termios tio;
	int master, slave, status;
	char line[100] = "", name[64];
	pid_t pid;

	if (openpty(&master, &slave, name, NULL, &ws)) {
		say("openpty: %s", strerrorname_np(errno));
		return;
	}
	is(!strncmp(name, "/dev/pts/", 9));
	tcgetattr(slave, &tio);
	say("%#x %#x %#x", tio.c_iflag, tio.c_oflag, tio.c_lflag);
	write(master, "hel\177lo\n", 7);
	try(read(slave, line, sizeof(line)));
	say("%s", line);
	pid = fork();
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		login_tty(slave);
		ioctl(0, TIOCGWINSZ, &ws);
		printf("%dx%d\n", ws.ws_row, ws.ws_col);
		fflush(stdout);
		pause();
	}
	close(slave);
	usleep(20000);
	write(master, "\3", 1);
	waitpid(pid, &status, 0);
	say("SIG%s", sigabbrev_np(WTERMSIG(status)));
}

static void sockets(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s[2], fd, fds[1], l = socket(AF_UNIX, SOCK_STREAM, 0);
	char c = 'x', control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	struct ucred cred;
	socklen_t len = sizeof(cred);

	try(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	*(int *)CMSG_DATA(h) = open("/proc/self/stat", O_RDONLY);
	try(sendmsg(s[0], &m, 0));
	try(recvmsg(s[1], &m, 0));
	is(read(*(int *)CMSG_DATA(CMSG_FIRSTHDR(&m)), control, 1) == 1);
	try(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &cred, &len));
	is(cred.pid == getpid());
	strcpy(a.sun_path + 1, "abstract");
	try(bind(l, (void *)&a, 20));
	try(listen(l, 5));
	child(fd = socket(AF_UNIX, SOCK_STREAM, 0); try(connect(fd, (void *)&a, 20)); write(fd, "hello", 5));
	fd = accept(l, NULL, NULL);
	try(read(fd, a.sun_path, 10));
	close(s[1]);
	signal(SIGPIPE, SIG_IGN);
	try(write(s[0], "x", 1));
}

int main(void)
{
	epolls();
	signals();
	watches();
	pids();
	terminals();
	sockets();
	return 0;
}
