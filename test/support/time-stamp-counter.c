/* The CPU's time stamp counter; compiled by bun:ffi for time-stamp-counter.ts. */
unsigned long long count(void) {
  unsigned low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return (unsigned long long)high << 32 | low;
}
