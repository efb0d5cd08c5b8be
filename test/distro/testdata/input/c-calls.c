/* One call of each of many, with what it returns. */
#include <errno.h>
#include <grp.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <mqueue.h>
#include <unistd.h>

#define SAY(x) do { errno = 0; long r_ = (long)(x); printf("%s: %ld %d\n", #x, r_, errno); fflush(stdout); } while (0)
#define OK(x) do { errno = 0; int r_ = (long)(x) >= 0; printf("%s: %d %d\n", #x, r_, errno); fflush(stdout); } while (0)

static void timer(union sigval v) { *(volatile int *)v.sival_ptr = 1; }

int main(void)
{
	struct timespec ts, ten = { 0, 10000000 };
	struct timeval tv;
	struct itimerspec its = { {0, 0}, {0, 10000000} };
	struct rlimit rl;
	struct rusage ru;
	struct utsname u;
	struct tms tms;
	char buf[4096];
	unsigned cpu;
	int fd, i;
	sigset_t set;

	for (i = 0; i < 12; i++)
		if (i != 10)
			printf("clock %d: %d\n", i, clock_gettime(i, &ts));
	for (i = 0; i < 8; i++)
		printf("res %d: %d\n", i, clock_getres(i, &ts));
	OK(gettimeofday(&tv, 0));
	OK(time(0) > 1000000000 ? 0 : -1);
	OK(getcpu(&cpu, 0));
	SAY(sched_yield());
	SAY(sched_getscheduler(0));
	SAY(getpriority(PRIO_PROCESS, 0));
	SAY(getrlimit(RLIMIT_STACK, &rl));
	printf("%ld\n", (long)rl.rlim_cur);
	SAY(getrusage(RUSAGE_SELF, &ru));
	SAY(uname(&u));
	OK(times(&tms));
	SAY(getrandom(buf, 256, 0));
	SAY(getrandom(buf, 256, 64));
	SAY(prctl(PR_SET_NAME, "name"));
	SAY(prctl(PR_GET_NAME, buf));
	puts(buf);
	SAY(prctl(PR_GET_DUMPABLE));
	SAY(prctl(PR_SET_NO_NEW_PRIVS, 0));
	SAY(prctl(PR_CAPBSET_READ, 0));
	SAY(prctl(PR_SET_CHILD_SUBREAPER, 1));
	SAY(prctl(9999));
	SAY(personality(0xffffffff));
	SAY(syscall(9999));
	SAY(syscall(SYS_gettid) == getpid());
	SAY(syscall(SYS_membarrier, 0, 0) > 0);
	SAY(syscall(SYS_ioperm, 0, 1, 1));
	SAY(syscall(SYS_iopl, 3));
	SAY(syscall(SYS_set_robust_list, buf, 24));
	SAY(syscall(SYS_vhangup) == 0 ? 0 : 0);
	SAY(nanosleep(&ten, 0));
	SAY(clock_nanosleep(CLOCK_MONOTONIC, 0, &ten, 0));
	fd = eventfd(2, EFD_SEMAPHORE);
	SAY(read(fd, buf, 8));
	SAY(read(fd, buf, 4));
	close(fd);
	fd = timerfd_create(CLOCK_MONOTONIC, 0);
	SAY(timerfd_settime(fd, 0, &its, 0));
	SAY(read(fd, buf, 8));
	close(fd);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, 0);
	fd = signalfd(-1, &set, 0);
	raise(SIGUSR1);
	SAY(read(fd, buf, 128));
	SAY(*(int *)buf);
	close(fd);
	fd = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 5 };
	int p[2];
	SAY(pipe2(p, O_CLOEXEC | O_DIRECT));
	SAY(epoll_ctl(fd, EPOLL_CTL_ADD, p[0], &ev));
	SAY(epoll_wait(fd, &ev, 1, 0));
	SAY(write(p[1], "abc", 3));
	SAY(epoll_wait(fd, &ev, 1, -1));
	SAY(epoll_ctl(fd, EPOLL_CTL_ADD, fd, &ev));
	struct pollfd pf = { p[0], POLLIN | POLLOUT, 0 };
	SAY(poll(&pf, 1, 0));
	SAY(pf.revents);
	SAY(ppoll(&pf, 1, &ten, 0));
	struct iovec v[2] = { { buf, 2 }, { buf + 5, 5 } };
	SAY(readv(p[0], v, 2));
	SAY(vmsplice(p[1], v, 2, 0));
	SAY(tee(p[0], p[1], 4, SPLICE_F_NONBLOCK));
	int sp[2];
	SAY(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sp));
	SAY(send(sp[0], "hello", 5, MSG_EOR));
	SAY(recv(sp[1], buf, 3, MSG_TRUNC));
	SAY(recv(sp[1], buf, 3, MSG_DONTWAIT));
	SAY(shutdown(sp[0], SHUT_WR));
	SAY(recv(sp[1], buf, 3, 0));
	struct sockaddr_un un = { AF_UNIX, "\0abstract-name" };
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	SAY(bind(fd, (void *)&un, 16));
	SAY(listen(fd, 5));
	SAY(accept4(fd, 0, 0, 0));
	SAY(socket(AF_UNIX, 77, 0));
	SAY(socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
	SAY(socket(12345, SOCK_STREAM, 0));
	int id = shmget(IPC_PRIVATE, 10000, 0600 | IPC_CREAT);
	char *m = shmat(id, 0, 0);
	OK(m == (void *)-1 ? -1 : 0);
	strcpy(m, "shared");
	if (!fork()) {
		strcpy(m, "child");
		_exit(0);
	}
	wait(0);
	puts(m);
	SAY(shmdt(m));
	SAY(shmctl(id, IPC_RMID, 0));
	id = semget(IPC_PRIVATE, 2, 0600);
	struct sembuf sb[2] = { { 0, 1, 0 }, { 1, 2, SEM_UNDO } };
	SAY(semop(id, sb, 2));
	SAY(semctl(id, 1, GETVAL));
	sb[0].sem_op = -5;
	sb[0].sem_flg = IPC_NOWAIT;
	SAY(semop(id, sb, 1));
	SAY(semtimedop(id, &(struct sembuf){ 0, -5, 0 }, 1, &ten));
	SAY(semctl(id, 0, IPC_RMID));
	id = msgget(IPC_PRIVATE, 0600);
	struct { long t; char d[20]; } msg = { 3, "message" };
	SAY(msgsnd(id, &msg, 8, 0));
	SAY(msgrcv(id, &msg, 20, 3, 0));
	SAY(msgrcv(id, &msg, 20, 3, IPC_NOWAIT));
	SAY(msgctl(id, IPC_RMID, 0));
	mqd_t q = mq_open("/q", O_RDWR | O_CREAT, 0600, 0);
	OK(q);
	SAY(mq_send(q, "m", 2, 1));
	char big[9000];
	SAY(mq_receive(q, big, 9000, 0));
	SAY(mq_unlink("/q"));
	fd = inotify_init1(IN_NONBLOCK);
	SAY(inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE) > 0);
	close(open("new", O_CREAT, 0600));
	unlink("new");
	SAY(read(fd, buf, sizeof(buf)));
	timer_t t;
	volatile int fired = 0;
	struct sigevent se = { .sigev_notify = SIGEV_THREAD, .sigev_value.sival_ptr = (void *)&fired };
	se.sigev_notify_function = timer;
	SAY(timer_create(CLOCK_REALTIME, &se, &t));
	SAY(timer_settime(t, 0, &its, 0));
	for (i = 0; i < 200 && !fired; i++)
		nanosleep(&ten, 0);
	SAY(fired);
	SAY(timer_delete(t));
	fd = memfd_create("m", 0);
	SAY(ftruncate(fd, 8192));
	SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	fd = syscall(SYS_pidfd_open, getpid(), 0);
	OK(fd);
	SAY(syscall(SYS_pidfd_send_signal, fd, 0, 0, 0));
	OK(syscall(SYS_pidfd_getfd, fd, 1, 0));
	SAY(syscall(SYS_close_range, 100, 200, 0));
	SAY(syscall(SYS_faccessat2, AT_FDCWD, "/etc", R_OK, AT_EACCESS));
	struct { unsigned long f, m, r; } how = { O_RDONLY, 0, 0x08 };
	OK(syscall(SYS_openat2, AT_FDCWD, "etc", &how, 24));
	struct statx sx;
	SAY(statx(AT_FDCWD, "/etc/passwd", 0, STATX_BASIC_STATS, &sx));
	SAY(sx.stx_mode);
	SAY(syscall(SYS_process_vm_readv, getpid(), v, 1, v + 1, 1, 0));
	SAY(syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0));
	SAY(syscall(SYS_getcwd, buf, 2));
	SAY(syscall(SYS_setns, 0, 0));
	printf("bpf %d\n", syscall(SYS_bpf, 0, 0, 0) < 0);
	SAY(syscall(SYS_seccomp, 2, 0, &cpu));
	SAY(syscall(SYS_rseq, 0, 0, 0, 0));
	SAY(syscall(SYS_mincore, buf, 1, 0));
	SAY(sysconf(_SC_CLK_TCK));
	SAY(sysconf(_SC_PAGESIZE));
	SAY(alarm(5));
	SAY(alarm(0));
	SAY(setpgid(0, 0));
	SAY(getsid(0) >= 0);
	SAY(setgroups(0, 0));
	SAY(setresuid(1, 2, 3));
	SAY(setuid(0));
	SAY(kill(1, SIGTERM));
	return 0;
}
