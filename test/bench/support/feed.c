/*
 * Many guests' data at a steady rate, as QEMU writes it: pieces of a few sub-buffers into one port after the other.
 *
 *   feed RATE SECONDS fifo|socket PATH...   RATE bytes per second into all of them together; sockets are listened on
 *
 * Prints "ready" when all ports are open, begins at a line on its standard input, and prints at its end
 * "BYTES P99.9 MAX LATE BYTES-OF-PORT...": bytes written; microseconds for which a port had something that nobody had taken, at the 99.9th
 * percentile and at most, looked at every millisecond; pieces that a port had no room for, which are not made up for; bytes by port.
 * Holds the ports until its standard input ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <linux/sockios.h>
#include <time.h>
#include <unistd.h>

#define SUB_BUFFER 4096
#define PIECE_BYTES (16 * SUB_BUFFER)
#define EVENT_BYTES 48
#define EVENTS 84
#define TICK_NS 1000000
#define MAX_PORTS 4096
#define MAX_AGES (1 << 22)

static int ports[MAX_PORTS], listeners[MAX_PORTS];
static uint64_t since[MAX_PORTS], sent[MAX_PORTS];
static uint32_t ages[MAX_AGES];
static size_t age_count;

static void fail(const char *what)
{
	fprintf(stderr, "feed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
		fail(path);
	return fd;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* Sub-buffers with events of 48 bytes, as of the scheduler, so that whoever reads them finds them sound. */
static void fill(char *piece)
{
	memset(piece, 'x', PIECE_BYTES);
	for (char *at = piece; at < piece + PIECE_BYTES; at += SUB_BUFFER) {
		*(uint64_t *)(at + 8) = EVENTS * EVENT_BYTES;
		for (int i = 0; i < EVENTS; i++)
			*(uint32_t *)(at + 16 + i * EVENT_BYTES) = EVENT_BYTES / 4 - 1;
	}
}

/* They begin now, by the clock that fake guests tell. */
static void stamp(char *piece)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	for (char *at = piece; at < piece + PIECE_BYTES; at += SUB_BUFFER)
		*(uint64_t *)at = t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int waiting(int fd, int is_socket)
{
	int bytes = 0;
	ioctl(fd, is_socket ? SIOCOUTQ : FIONREAD, &bytes);
	return bytes;
}

int main(int argc, char **argv)
{
	static char piece[PIECE_BYTES];
	struct rlimit files;
	int count = argc - 4, is_socket = argc > 3 && !strcmp(argv[3], "socket");
	uint64_t written = 0, late = 0;
	size_t next = 0;
	char line[16];
	if (count < 1 || count > MAX_PORTS)
		return 64;
	double rate = atof(argv[1]), seconds = atof(argv[2]);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	fill(piece);
	for (int i = 0; i < count; i++) {
		if (is_socket)
			listeners[i] = listen_on(argv[4 + i]);
		else if ((ports[i] = open(argv[4 + i], O_RDWR | O_NONBLOCK)) < 0)
			fail(argv[4 + i]);
	}
	printf("ready\n");
	fflush(stdout);
	for (int i = 0; is_socket && i < count; i++)
		if ((ports[i] = accept4(listeners[i], NULL, NULL, SOCK_NONBLOCK)) < 0)
			fail("accept");
	if (fgets(line, sizeof(line), stdin) == NULL)
		return 0;
	prctl(PR_SET_TIMERSLACK, 1);
	uint64_t start = now(), end = start + seconds * 1e9;
	double owed = 0;
	/* Looks at the time behind the pieces: a machine that stands still for all of it writes some all the same. */
	for (uint64_t last = start, t = start; last < end; last = t) {
		t = now();
		for (int i = 0; i < count; i++) {
			if (since[i] == 0 || waiting(ports[i], is_socket) > 0)
				continue;
			if (age_count < MAX_AGES)
				ages[age_count++] = (t - since[i]) / 1000;
			since[i] = 0;
		}
		for (owed += rate * (t - last) / 1e9; owed >= PIECE_BYTES; owed -= PIECE_BYTES) {
			int port = next++ % count;
			uint64_t before = written;
			stamp(piece);
			for (size_t at = 0; at < PIECE_BYTES; at += SUB_BUFFER) {
				ssize_t got = write(ports[port], piece + at, SUB_BUFFER);
				if (got != SUB_BUFFER)
					break;
				written += got;
			}
			sent[port] += written - before;
			late += written - before != PIECE_BYTES;
			if (since[port] == 0)
				since[port] = now();
		}
		struct timespec tick = { (t + TICK_NS) / 1000000000ull, (t + TICK_NS) % 1000000000ull };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &tick, NULL);
	}
	uint64_t t = now();
	for (int i = 0; i < count; i++)
		if (since[i] != 0 && age_count < MAX_AGES)
			ages[age_count++] = (t - since[i]) / 1000;
	qsort(ages, age_count, sizeof(*ages), compare);
	printf("%lu %u %u %lu", written, age_count ? ages[(size_t)(age_count * 0.999)] : 0,
	       age_count ? ages[age_count - 1] : 0, late);
	for (int i = 0; i < count; i++)
		printf(" %lu", sent[i]);
	printf("\n");
	fflush(stdout);
	/* Ports whose writer is gone end their readers. */
	while (fgets(line, sizeof(line), stdin) != NULL)
		continue;
	return 0;
}
