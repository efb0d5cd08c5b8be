/* IPC of System V and of POSIX. */
#include "say.h"
#include <mqueue.h>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

int main(void)
{
	struct { long type; char text[20]; } m = { 3, "a message" };
	int shm = shmget(IPC_PRIVATE, 10000, IPC_CREAT | 0600), sem = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600),
	    msg = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	struct sembuf up = { 0, 1, 0 }, down = { 0, -1, SEM_UNDO }, none = { 1, -1, IPC_NOWAIT };
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 64 };
	struct shmid_ds ds;
	struct timespec ts = { 0, 0 };
	char buf[100] = "", *p = shmat(shm, NULL, 0), *q;
	sem_t *s;
	mqd_t mq;

	is(p != (void *)-1);
	child(strcpy(p + 5000, "shared"));
	say("%s", p + 5000);
	q = shmat(shm, NULL, SHM_RDONLY);
	say("%s", q + 5000);
	child(q[0] = 1);
	try(shmctl(shm, IPC_STAT, &ds));
	say("%zu bytes, %lu times", ds.shm_segsz, ds.shm_nattch);
	try(shmctl(shm, IPC_RMID, NULL));
	try(shmdt(p));
	say("%s", q + 5000);
	try(shmdt(q));

	try(semop(sem, &up, 1));
	try(semop(sem, &down, 1));
	try(semop(sem, &none, 1));
	child(semop(sem, &up, 1));
	try(semctl(sem, 0, GETVAL));
	child(semop(sem, &down, 1));
	try(semctl(sem, 0, GETVAL));
	try(semctl(sem, 0, IPC_RMID));

	child(msgsnd(msg, &m, 10, 0));
	m.text[0] = 0;
	try(msgrcv(msg, &m, 20, 3, 0));
	say("%s", m.text);
	try(msgrcv(msg, &m, 20, 0, IPC_NOWAIT));
	try(msgctl(msg, IPC_RMID, NULL));

	mq = mq_open("/unboot-test", O_RDWR | O_CREAT, 0600, &attr);
	is(mq != -1);
	try(mq_unlink("/unboot-test"));
	child(mq_send(mq, "later", 6, 1); mq_send(mq, "first", 6, 9));
	try(mq_receive(mq, buf, 64, NULL));
	say("%s", buf);
	try(mq_timedreceive(mq, buf, 64, NULL, &ts));
	try(mq_timedreceive(mq, buf, 64, NULL, &ts));

	s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sem_init(s, 1, 0);
	child(sem_post(s));
	try(sem_wait(s));
	try(sem_trywait(s));
	return 0;
}
