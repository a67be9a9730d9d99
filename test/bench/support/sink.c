/*
 * The host's end of the data ports in benchmarks: takes all that comes out of FIFOs, as cheaply as can be.
 *
 *   sink count FIFO...   splices to /dev/null; after 300 ms of silence prints "BYTES FIRST LAST", the bytes since the last such
 *                        line and the times (nanoseconds since 1970) at which the first and the last of them came
 *   sink acks ORDERS FIFO...  the same; for each 4 MiB of a FIFO it writes "ack CPU BYTES" of all that brought something into ORDERS, as
 *                        a recorder does, the first FIFO being that of CPU 0
 *   sink stamps FIFO...  reads, and prints at its end for each "T nanoseconds\n" in the data (CLOCK_MONOTONIC) how many
 *                        microseconds old it was
 *
 * Ends when its standard input does, and has taken what lay in the FIFOs then. FIFOs are held for both ways, so they never hang up.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_FIFOS 64
#define FIFO_BYTES (1 << 20)
#define QUIET_MS 300
#define ACK_BYTES (4 << 20)
#define MAX_AGES (1 << 20)

/* Kept until the end: a reader of ours that is slow must not slow us down. */
static uint32_t ages[MAX_AGES];
static size_t age_count;

static uint64_t now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* A sub-buffer's unused end can hold stamps of its earlier use: only one that is younger than all before it counts. */
static void find_stamps(char *text, size_t length, uint64_t *youngest)
{
	uint64_t t = now(CLOCK_MONOTONIC);
	for (char *at = text; (at = memmem(at, text + length - at, "T ", 2)) != NULL; at += 2) {
		char *end;
		if (at + 24 > text + length)
			break;
		uint64_t then = strtoull(at + 2, &end, 10);
		if (end <= at + 10 || *end != '\n' || then <= *youngest)
			continue;
		*youngest = then;
		if (age_count < MAX_AGES)
			ages[age_count++] = (t - then) / 1000;
	}
}

/* In one order. What has no room is told with the next. */
static void acknowledge(int orders, int count, const uint64_t *taken, uint64_t *acked)
{
	char text[MAX_FIFOS * 32];
	int length = 0;
	for (int i = 0; i < count; i++)
		if (taken[i] > acked[i])
			length += sprintf(text + length, "ack %d %lu\n", i, taken[i]);
	if (write(orders, text, length) == length)
		for (int i = 0; i < count; i++)
			acked[i] = taken[i];
}

int main(int argc, char **argv)
{
	static char text[FIFO_BYTES + 1];
	static uint64_t youngest[MAX_FIFOS];
	struct pollfd set[MAX_FIFOS + 1];
	int acks = argc > 2 && !strcmp(argv[1], "acks"), stamps = argc > 1 && !strcmp(argv[1], "stamps");
	int orders = acks ? open(argv[2], O_RDWR | O_NONBLOCK) : -1;
	char **fifos = argv + (acks ? 3 : 2);
	int count = argc - (acks ? 3 : 2);
	static uint64_t taken[MAX_FIFOS], acked[MAX_FIFOS];
	uint64_t total = 0, first = 0, last = 0;
	int null = open("/dev/null", O_WRONLY);
	if (count < 1 || count > MAX_FIFOS || null < 0)
		return 64;
	for (int i = 0; i < count; i++) {
		set[i].fd = open(fifos[i], O_RDWR | O_NONBLOCK);
		set[i].events = POLLIN;
		if (set[i].fd < 0) {
			fprintf(stderr, "sink: %s: %s\n", fifos[i], strerror(errno));
			return 1;
		}
		fcntl(set[i].fd, F_SETPIPE_SZ, FIFO_BYTES);
	}
	set[count].fd = 0;
	set[count].events = POLLIN;
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int ready = poll(set, count + 1, total > 0 ? QUIET_MS : -1);
		if (ready == 0) {
			if (!stamps)
				printf("%lu %lu %lu\n", total, first, last);
			fflush(stdout);
			total = 0;
		}
		int has_data = 0;
		for (int i = 0; ready > 0 && i < count; i++) {
			if (!(set[i].revents & POLLIN))
				continue;
			has_data = 1;
			ssize_t got = stamps ? read(set[i].fd, text, FIFO_BYTES)
					     : splice(set[i].fd, NULL, null, NULL, FIFO_BYTES, SPLICE_F_NONBLOCK);
			if (got <= 0)
				continue;
			last = now(CLOCK_REALTIME);
			if (total == 0)
				first = last;
			total += got;
			taken[i] += got;
			if (acks && taken[i] - acked[i] >= ACK_BYTES)
				acknowledge(orders, count, taken, acked);
			if (stamps)
				find_stamps(text, got, &youngest[i]);
		}
		if (ready > 0 && !has_data && set[count].revents != 0) {
			for (size_t i = 0; i < age_count; i++)
				printf("%u\n", ages[i]);
			return 0;
		}
	}
}
