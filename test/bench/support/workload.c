/*
 * What the benchmarks make events with, and small measuring helps. Static, so that it runs in a guest without a libc.
 *
 *   workload fill FILE CPU BYTES [TEXT]     writes markers of 960 (or TEXT) chars into a trace_marker file
 *   workload calls CPU PER_SECOND SECONDS   getppid() at a rate (0: as fast as it can); prints calls and nanoseconds
 *   workload stamps FILE CPU PER_SECOND SECONDS  writes markers "T nanoseconds-of-CLOCK_MONOTONIC"
 *   workload loop CPU COUNT                 COUNT times getppid(); prints nanoseconds
 *   workload switches CPU COUNT             a byte goes COUNT times to another process and back; prints nanoseconds
 *   workload spent COMMAND...               runs it; prints CPU nanoseconds of it and all that it started, on standard error, as
 *                                           "spent NANOSECONDS"
 *   workload cputime PID...                 prints CPU nanoseconds of all threads of these processes, ended ones too
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what)
{
	fprintf(stderr, "workload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void sleep_until(uint64_t when)
{
	struct timespec t = { when / 1000000000ull, when % 1000000000ull };
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void pin(const char *cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(atoi(cpu), &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fail("sched_setaffinity");
}

static int open_marker(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	return fd;
}

static void fill(const char *path, const char *cpu, uint64_t bytes, size_t length)
{
	char text[960];
	/* Heads of 20 bytes, a line end, a NUL; of the largest only four have room in a sub-buffer. */
	uint64_t event_bytes = length == sizeof(text) ? 1024 : (length + 20 + 2 + 3) & ~3ull;
	pin(cpu);
	int fd = open_marker(path);
	memset(text, 'x', sizeof(text));
	for (uint64_t done = 0; done < bytes; done += event_bytes)
		if (write(fd, text, length) < 0)
			fail("write");
}

static void calls(const char *cpu, uint64_t rate, double seconds)
{
	const uint64_t batch_ns = 1000000;
	pin(cpu);
	prctl(PR_SET_TIMERSLACK, 1);
	uint64_t start = now(), end = start + seconds * 1e9, done = 0;
	uint64_t t;
	/* Looks at the time behind the calls: a machine that stands still for all of it makes some all the same. */
	do {
		t = now();
		uint64_t due = rate ? (t - start) * (double)rate / 1e9 : done + 1000;
		while (done < due) {
			syscall(SYS_getppid);
			done++;
		}
		if (rate)
			sleep_until(t + batch_ns);
	} while (t < end);
	printf("%lu %lu\n", done, now() - start);
}

static void stamps(const char *path, const char *cpu, uint64_t rate, double seconds)
{
	char text[32];
	pin(cpu);
	prctl(PR_SET_TIMERSLACK, 1);
	int fd = open_marker(path);
	uint64_t start = now(), count = rate * seconds;
	for (uint64_t i = 0; i < count; i++) {
		sleep_until(start + i * 1000000000ull / rate);
		int length = snprintf(text, sizeof(text), "T %lu\n", now());
		if (write(fd, text, length) < 0)
			fail("write");
	}
	printf("%lu\n", count);
}

static void loop(const char *cpu, uint64_t count)
{
	pin(cpu);
	uint64_t start = now();
	while (count-- > 0)
		syscall(SYS_getppid);
	printf("%lu\n", now() - start);
}

static void switches(const char *cpu, uint64_t count)
{
	int there[2], back[2];
	char byte = 0;
	pin(cpu);
	if (pipe(there) < 0 || pipe(back) < 0)
		fail("pipe");
	pid_t child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1)
			if (write(back[1], &byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
	uint64_t start = now();
	while (count-- > 0)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			fail("pipe");
	printf("%lu\n", now() - start);
	close(there[1]);
	waitpid(child, NULL, 0);
}

static void cputime(char **pids)
{
	uint64_t sum = 0;
	for (; *pids != NULL; pids++) {
		clockid_t clock;
		struct timespec t;
		if ((errno = clock_getcpuclockid(atoi(*pids), &clock)) != 0 || clock_gettime(clock, &t) < 0)
			fail("clock_getcpuclockid");
		sum += t.tv_sec * 1000000000ul + t.tv_nsec;
	}
	printf("%lu\n", sum);
}

static void spent(char **words)
{
	struct rusage used;
	/* Meant for the command, which is in the same group. */
	signal(SIGINT, SIG_IGN);
	pid_t child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		signal(SIGINT, SIG_DFL);
		execvp(words[0], words);
		fail(words[0]);
	}
	int status;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			fail("waitpid");
	getrusage(RUSAGE_CHILDREN, &used);
	fprintf(stderr, "spent %lu\n", (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000ul +
					     (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000ul);
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	if (!strcmp(mode, "fill") && (argc == 5 || (argc == 6 && atoi(argv[5]) > 0 && atoi(argv[5]) <= 960)))
		fill(argv[2], argv[3], strtoull(argv[4], NULL, 10), argc == 6 ? atoi(argv[5]) : 960);
	else if (!strcmp(mode, "calls") && argc == 5)
		calls(argv[2], strtoull(argv[3], NULL, 10), atof(argv[4]));
	else if (!strcmp(mode, "stamps") && argc == 6)
		stamps(argv[2], argv[3], strtoull(argv[4], NULL, 10), atof(argv[5]));
	else if (!strcmp(mode, "loop") && argc == 4)
		loop(argv[2], strtoull(argv[3], NULL, 10));
	else if (!strcmp(mode, "switches") && argc == 4)
		switches(argv[2], strtoull(argv[3], NULL, 10));
	else if (!strcmp(mode, "spent") && argc >= 3)
		spent(argv + 2);
	else if (!strcmp(mode, "cputime") && argc >= 3)
		cputime(argv + 2);
	else {
		fprintf(stderr, "workload: see workload.c for its words\n");
		return 64;
	}
	return 0;
}
