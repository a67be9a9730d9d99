/*
 * What lies between the time stamp counters of a guest and its host, through a page of memory that both have: each writes its
 * counter into it again and again and reads the other's. What is read was written before: guest - host >= written by the
 * guest - read by the host, and <= read by the guest - written by the host.
 *
 *     tsc-page FILE host SECONDS     prints "LOW HIGH": the counter of the guest is ahead by so many ticks
 *     tsc-page FILE guest SECONDS
 *     tsc-page - pairs SECONDS       prints "TSC MONO_RAW WIDTH" again and again: at TSC +- WIDTH ticks the clock stood at that
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

struct page {
  volatile int64_t host, guest, low, high, rounds;
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

int main(int argc, char **argv) {
  if (argc != 4) return 64;
  int64_t end = mono_raw() + (int64_t)(atof(argv[3]) * 1e9);
  if (strcmp(argv[2], "pairs") == 0) {
    for (; mono_raw() < end; usleep(100000)) print_pair();
    return 0;
  }
  int fd = open(argv[1], O_RDWR | O_SYNC);
  struct page *page = fd < 0 ? MAP_FAILED : mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) return perror(argv[1]), 1;
  int is_host = strcmp(argv[2], "host") == 0;
  int64_t best = is_host ? INT64_MIN : INT64_MAX;
  /* What an earlier run left says nothing: the guest's counter may have been corrected since. */
  if (is_host) page->host = 0, page->low = best;
  else page->guest = 0, page->high = best;
  while (mono_raw() < end) {
    for (int i = 0; i < 1000; i++) {
      if (is_host) {
        page->host = tsc();
        int64_t theirs = page->guest;
        int64_t difference = theirs - tsc();
        if (theirs != 0 && difference > best) page->low = best = difference;
      } else {
        page->guest = tsc();
        int64_t theirs = page->host;
        int64_t difference = tsc() - theirs;
        if (theirs != 0 && difference < best) page->high = best = difference;
      }
    }
  }
  if (is_host) printf("%lld %lld\n", (long long)page->low, (long long)page->high);
  return 0;
}
