/*
 * Writes numbered markers into a trace_marker file, from one CPU, as fast as it can or at a rate:
 *
 *   markers FILE CPU FROM COUNT [PER_SECOND]
 *
 * Each write is one event, "MARK cpu number\n". Static, so that it runs in a guest that holds no libc.
 *
 * While the ring buffer is off, or is emptied (its clock is set), the kernel refuses markers with EBADF. With a rate, such a
 * marker is written again until it is taken: the numbers in the ring buffer have no gap.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "markers: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: markers FILE CPU FROM COUNT [PER_SECOND]\n");
		return 64;
	}
	int cpu = atoi(argv[2]);
	unsigned long from = strtoul(argv[3], NULL, 10);
	unsigned long count = strtoul(argv[4], NULL, 10);
	unsigned long rate = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
	struct timespec pause = { 0, rate > 1 ? 1000000000 / rate : 999999999 };

	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return fail("sched_setaffinity");
	int fd = open(argv[1], O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(argv[1]);
	for (unsigned long number = from; number < from + count; number++) {
		char text[64];
		int length = snprintf(text, sizeof(text), "MARK %d %lu\n", cpu, number);
		while (write(fd, text, length) != length) {
			if (rate == 0 || errno != EBADF)
				return fail("write");
			nanosleep(&pause, NULL);
		}
		if (rate > 0)
			nanosleep(&pause, NULL);
	}
	return 0;
}
