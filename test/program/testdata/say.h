/* What the programs here have in common: they say what they see, a line each. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define say(...) (printf(__VA_ARGS__), putchar('\n'), fflush(stdout))

/* A call, its result, and its error. */
#define try(call)							\
({									\
	errno = 0;							\
	long ret_ = (long)(call);					\
	if (ret_ == -1 && errno)					\
		say("%s: %s", #call, strerrorname_np(errno));		\
	else								\
		say("%s: %ld", #call, ret_);				\
	ret_;								\
})

/* The same where the result differs each time: only whether there is one. */
#define may(call)							\
({									\
	errno = 0;							\
	long ret_ = (long)(call);					\
	say("%s: %s", #call, ret_ == -1 ? strerrorname_np(errno) : "ok");	\
	ret_;								\
})

#define is(what) say("%s: %s", #what, (what) ? "yes" : "no")

/* How a child that runs this ends. */
#define child(...)							\
({									\
	int status_;							\
	fflush(stdout);							\
	pid_t pid_ = fork();						\
	if (pid_ == 0) { __VA_ARGS__; exit(0); }			\
	while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR)	\
		;							\
	if (WIFSIGNALED(status_))					\
		say("child: SIG%s", sigabbrev_np(WTERMSIG(status_)));	\
	else								\
		say("child: %d", WEXITSTATUS(status_));			\
})
