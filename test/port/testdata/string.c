/*
 * Compares the kernel's memcpy(), memmove() and memset() with loops over bytes:
 * for each size to beyond the last way they go, and for memmove() each distance
 * within that, in both directions. What lies around must stay as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *port_memcpy(void *, const void *, size_t);
void *port_memmove(void *, const void *, size_t);
void *port_memset(void *, int, size_t);

enum { MAX = 600, PAD = 64, SIZE = 2 * MAX + 2 * PAD };

static unsigned char noise[SIZE], have[SIZE], want[SIZE];

static void fill(void)
{
	memcpy(have, noise, SIZE);
	memcpy(want, noise, SIZE);
}

static void compare(const char *what, long size, long distance, void *ret, void *dst)
{
	if (ret == dst && !memcmp(have, want, SIZE))
		return;
	printf("%s is wrong: %ld bytes, distance %ld\n", what, size, distance);
	exit(1);
}

static void move(long size, long distance)
{
	long src = distance < 0 ? PAD - distance : PAD, dst = src + distance;
	void *ret;

	fill();
	if (distance < 0)
		for (long i = 0; i < size; i++)
			want[dst + i] = want[src + i];
	else
		for (long i = size; i-- > 0;)
			want[dst + i] = want[src + i];
	ret = port_memmove(have + dst, have + src, size);
	compare("memmove", size, distance, ret, have + dst);
	if (labs(distance) < size)
		return;
	fill();
	for (long i = 0; i < size; i++)
		want[dst + i] = want[src + i];
	ret = port_memcpy(have + dst, have + src, size);
	compare("memcpy", size, distance, ret, have + dst);
}

int main(void)
{
	for (int i = 0; i < SIZE; i++)
		noise[i] = rand();
	for (long size = 0; size <= MAX; size++) {
		for (long distance = -MAX; distance <= MAX; distance++)
			move(size, distance);
		for (int at = PAD; at < PAD + 16; at++) {
			void *ret;

			fill();
			for (long i = 0; i < size; i++)
				want[at + i] = 0xa5;
			ret = port_memset(have + at, 0x12a5, size);
			compare("memset", size, at, ret, have + at);
		}
	}
	return 0;
}
