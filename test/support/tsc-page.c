/*
 * What lies between the time stamp counters of a guest and its host, through a page of memory that both have: each writes its
 * counter into it again and again and reads the other's. What is read was written before: guest - host >= written by the
 * guest - read by the host, and <= read by the guest - written by the host. Both end when that is known to TICKS, or after SECONDS.
 * RUN, not 0, is the same for both and another each time: what an earlier run left says nothing, since the guest's counter may have
 * been corrected since.
 *
 *     tsc-page FILE host SECONDS TICKS RUN     prints "LOW HIGH": the counter of the guest is ahead by so many ticks
 *     tsc-page FILE guest SECONDS TICKS RUN
 *     tsc-page - pairs SECONDS                 prints "TSC MONO_RAW WIDTH" again and again: at TSC +- WIDTH ticks the clock stood at that
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

struct side {
  volatile int64_t run, counter, best;
};

/* `best` of the host is the lower bound, that of the guest the upper one. */
struct page {
  struct side host, guest;
};

static int64_t tsc(void) {
  _mm_lfence();
  return (int64_t)__rdtsc();
}

static int64_t mono_raw(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* The narrowest of many brackets of the clock by the counter; few of them, so that nobody is kept waiting. */
static void print_pair(void) {
  int64_t width = INT64_MAX, at = 0, raw = 0;
  for (int i = 0; i < 200; i++) {
    int64_t before = tsc(), now = mono_raw(), after = tsc();
    if (after - before >= width) continue;
    width = after - before;
    at = before + width / 2;
    raw = now;
  }
  printf("%lld %lld %lld\n", (long long)at, (long long)raw, (long long)(width / 2 + 1));
  fflush(stdout);
}

/* Writes our counter and reads theirs, until the bounds are close enough: whether they came to be. */
static int compare(struct side *ours, struct side *theirs, int is_host, int64_t end, int64_t ticks, int64_t run) {
  int64_t best = is_host ? INT64_MIN : INT64_MAX;
  ours->counter = 0;
  ours->best = best;
  __sync_synchronize();
  ours->run = run;
  /* The other program needs a while to begin, which is not to cost a CPU. */
  while (theirs->run != run && mono_raw() < end) usleep(1000);
  while (mono_raw() < end) {
    for (int i = 0; i < 100; i++) {
      ours->counter = tsc();
      int64_t other = theirs->counter;
      int64_t now = tsc();
      int64_t difference = is_host ? other - now : now - other;
      if (other == 0) continue;
      if (is_host ? difference > best : difference < best) ours->best = best = difference;
    }
    int64_t others = theirs->best;
    if (best == INT64_MIN || best == INT64_MAX || others == INT64_MIN || others == INT64_MAX) continue;
    if (llabs(others - best) <= ticks) return 1;
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 4) return 64;
  int64_t end = mono_raw() + (int64_t)(atof(argv[3]) * 1e9);
  if (strcmp(argv[2], "pairs") == 0) {
    for (; mono_raw() < end; usleep(100000)) print_pair();
    return 0;
  }
  if (argc != 6) return 64;
  int fd = open(argv[1], O_RDWR | O_SYNC);
  struct page *page = fd < 0 ? MAP_FAILED : mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) return perror(argv[1]), 1;
  int is_host = strcmp(argv[2], "host") == 0;
  struct side *ours = is_host ? &page->host : &page->guest, *theirs = is_host ? &page->guest : &page->host;
  if (!compare(ours, theirs, is_host, end, atoll(argv[4]), atoll(argv[5]))) return fprintf(stderr, "not compared in time\n"), 1;
  if (is_host) printf("%lld %lld\n", (long long)page->host.best, (long long)page->guest.best);
  return 0;
}
