/*
 * Runs a program with a real-time priority, as chrt -f does, which busybox of the guests has not:
 *
 *   real-time PRIORITY PROGRAM [ARGUMENT...]
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sched_param param = { 0 };

	if (argc < 3)
		return 64;
	param.sched_priority = atoi(argv[1]);
	if (sched_setscheduler(0, SCHED_FIFO, &param) == 0)
		execvp(argv[2], argv + 2);
	fprintf(stderr, "real-time %s %s: %s\n", argv[1], argv[2], strerror(errno));
	return 1;
}
