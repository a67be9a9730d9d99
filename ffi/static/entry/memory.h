/*
 * How much memory the runtime may reserve, and whether the system lets it.
 *
 * Bun reserves 6.5 GiB: 4 for the structures of its objects, 1 for compiled code, 1 for each arena of its allocator.
 * It touches 15 MiB of them. Where the system counts what is reserved (vm.overcommit_memory=2, ulimit -v, ulimit -d)
 * that is refused, or taken from others. So the agent, which lives in guests, always gets a small runtime; the commands
 * of the host get one where something is counted. Sizes are in bytes.
 */
enum { MiB = 1 << 20 };

/* The least that works: the allocator manages whole pieces of 32 MiB, and the first is taken. */
static const char small_structures[] = "BUN_JSC_structureHeapSizeInKB=65536";
enum { structures_bytes = 64 * MiB };
/* Each Worker has structures of its own: 65 of them end the runtime in 64 MiB. 257 were run in this. */
static const char many_structures[] = "BUN_JSC_structureHeapSizeInKB=1048576";
enum { many_structures_bytes = 1024 * MiB, FEW_CPUS = 24 };
static const char small_arenas[] = "MIMALLOC_ARENA_RESERVE=32MiB";
/* What is reserved is made usable piece by piece, when it is used. */
static const char commit_later[] = "MIMALLOC_ARENA_EAGER_COMMIT=0";
static const char commit_pages[] = "MIMALLOC_PAGE_COMMIT_ON_DEMAND=1";
/* Larger ones get a mapping of their own, which goes back to the system with them. 256 KiB is too little to start. */
static const char large_objects_apart[] = "MIMALLOC_ARENA_MAX_OBJECT_SIZE=1MiB";
/* What is free goes back to the system at once, by who frees it: the allocator's own thread wakes an agent that has nothing to do. */
static const char no_purge_thread[] = "MIMALLOC_SCAVENGER=0";
static const char purge_at_once[] = "MIMALLOC_PURGE_DELAY=0";
/* The engine collects sooner, and gives back at once what it finds. An agent makes next to no objects while data go. */
static const char small_heaps[] = "BUN_JSC_forceMiniVMMode=1";
/* In a command that may be over soon: no thread makes half a MiB of the heap resident ahead of its use. */
static const char no_warm_blocks[] = "BUN_JSC_useWarmUpMarkedBlocks=0";
/* What reads a recording collects first when it has made 16 MiB, not 8: most recordings are read by then, and it is 5 ms. */
static const char late_collection[] = "BUN_JSC_largeHeapSize=16777216";
/* glibc reserves 64 MiB for each thread that allocates, and serves next to nothing: Bun has an allocator of its own. */
static const char one_glibc_arena[] = "MALLOC_ARENA_MAX=1";

/* Compiled code: main's and the runtime's, and that of each CPU's worker, which compiles the splice loop for itself. */
static const char code_variable[] = "BUN_JSC_jitMemoryReservationSize=";
enum { agent_code_bytes = 3 * MiB, cpu_code_bytes = MiB / 4, command_code_bytes = 32 * MiB };

/*
 * What is mapped beside structures and code when all was asked of it, metadata too: libraries, arenas, stacks. Committed
 * is what can be written to; of 2 CPUs 158 MiB in all were measured, and 10 MiB more for each further one. The kernel keeps
 * a 32nd of what a process has mapped for others (mm/util.c). A command of the host may hold 200 MiB of a recording.
 */
enum { agent_committed = 90 * MiB, agent_reserved = 175 * MiB, cpu_committed = 12 * MiB, cpu_reserved = 38 * MiB };
enum { command_more = 160 * MiB };
/* A thread that names no size gets the stack of `ulimit -s`, 8 MiB as a rule. Only the allocator has such a one. */
enum { thread_stack_bytes = MiB };

/* What is taken when this runs: the program's data, and what the kernel keeps. For messages. */
enum { start_bytes = 8 * MiB };

enum { CPUS_MAX = 4096, CPUS_UNKNOWN = 16 };

/* The beginning of a small file as text; empty when it cannot be read. */
static void read_text(const char *path, char *text, word size)
{
  long fd = system_call(SYS_openat, AT_FDCWD, (long)path, O_CLOEXEC, 0, 0, 0), count = 0;
  if (fd >= 0) {
    count = system_call(SYS_read, fd, (long)text, (long)(size - 1), 0, 0, 0);
    system_call(SYS_close, fd, 0, 0, 0, 0, 0);
  }
  text[count > 0 ? count : 0] = 0;
}

/* How many CPUs are online at most: the last number of a list like "0-3,8-11\n", and one. */
static word cpu_count(void)
{
  char text[1024];
  word last = 0;
  int digits = 0;
  read_text("/sys/devices/system/cpu/online", text, sizeof text);
  for (char *at = text; *at; at++) {
    int digit = *at >= '0' && *at <= '9';
    if (digit) last = (digits ? last * 10 : 0) + (word)(*at - '0');
    digits = digit;
    if (last >= CPUS_MAX) return CPUS_MAX;
  }
  return text[0] ? last + 1 : CPUS_UNKNOWN;
}

static word limit_of(long which)
{
  struct limit limit = { ~0ul, ~0ul };
  system_call(SYS_prlimit64, 0, which, 0, (long)&limit, 0, 0);
  return limit.soft;
}

/* The engine ends with a report of a crash where the main thread's stack cannot grow to this: 128 KiB are too few. */
enum { MAIN_STACK_BYTES = 256 * 1024 };

static void check_stack(void)
{
  if (limit_of(RLIMIT_STACK) < MAIN_STACK_BYTES)
    give_up("the stack is limited to less than 256 KiB", 0, "raise the limit (ulimit -s, LimitSTACK= of a service)");
}

/* Whether every private writable page is counted, used or not (Documentation/mm/overcommit-accounting.rst). */
static int strict_overcommit(void)
{
  char text[8];
  read_text("/proc/sys/vm/overcommit_memory", text, sizeof text);
  return text[0] == '2';
}

static int memory_is_counted(void)
{
  return limit_of(RLIMIT_AS) != ~0ul || limit_of(RLIMIT_DATA) != ~0ul || strict_overcommit();
}

/* What a line of /proc/meminfo tells, in KiB; 0 when there is no such line. */
static word meminfo(const char *text, const char *name)
{
  word length = length_of(name), value = 0;
  for (; *text; text++) {
    word i = 0;
    while (i < length && text[i] == name[i]) i++;
    if (i < length) continue;
    for (text += length; *text == ' '; text++);
    for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (word)(*text - '0');
    return value;
  }
  return 0;
}

static void say_mebibytes(word bytes)
{
  say_number(bytes / MiB);
  say(" MiB");
}

__attribute__((noreturn)) static void too_little_memory(word needed_data, word needed_space)
{
  char text[4096];
  word space = limit_of(RLIMIT_AS), data = limit_of(RLIMIT_DATA);
  say("trace-agent: cannot start: ");
  if (space != ~0ul) {
    say("its address space is limited to ");
    say_mebibytes(space);
    say(", ");
    say_mebibytes(needed_space);
    say(" are needed");
    end_with("raise the limit (ulimit -v, LimitAS= of a service)");
  }
  if (data != ~0ul) {
    say("its data are limited to ");
    say_mebibytes(data);
    say(", ");
    say_mebibytes(needed_data);
    say(" are needed");
    end_with("raise the limit (ulimit -d, LimitDATA= of a service)");
  }
  if (!strict_overcommit()) {
    say_mebibytes(needed_data);
    say(" of memory cannot be reserved");
    end_with("free memory");
  }
  read_text("/proc/meminfo", text, sizeof text);
  say_mebibytes(needed_data);
  say(" of memory are needed, and this system counts what is reserved (vm.overcommit_memory=2): ");
  say_mebibytes(meminfo(text, "Committed_AS:") * 1024);
  say(" of ");
  say_mebibytes(meminfo(text, "CommitLimit:") * 1024);
  say(" are taken");
  end_with("end other programs, or raise vm.overcommit_ratio");
}

static long try_map(word size, word protection)
{
  return system_call(SYS_mmap, 0, (long)size, (long)protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static int is_error(long result) { return result < 0 && result > -4096; }

/* Tries what the runtime will do: else it ends with a crash report. `own`: what this file takes of the address space. */
static void probe_memory(word code_bytes, int agent, word cpus, word own)
{
  word structures = agent && cpus > FEW_CPUS ? many_structures_bytes : structures_bytes;
  word fixed = structures + code_bytes + (agent ? cpus * cpu_committed : command_more);
  word committed = fixed + agent_committed;
  word reserved = fixed + agent_reserved + (agent ? cpus * (cpu_reserved - cpu_committed) : 0);

  long code = try_map(code_bytes, PROT_READ | PROT_WRITE | PROT_EXEC);
  if (code == -EPERM || code == -EACCES)
    give_up("memory that is writable and executable is not allowed", -code,
            "the runtime's compiler needs it (MemoryDenyWriteExecute=no in a service; SELinux: execmem)");
  if (!is_error(code)) system_call(SYS_munmap, code, (long)code_bytes, 0, 0, 0, 0);
  long data = is_error(code) ? code : try_map(committed, PROT_READ | PROT_WRITE);
  long space = is_error(data) ? data : try_map(reserved - committed, 0);
  if (is_error(space)) too_little_memory(committed + start_bytes, reserved + own + start_bytes);
  system_call(SYS_munmap, data, (long)committed, 0, 0, 0, 0);
  system_call(SYS_munmap, space, (long)(reserved - committed), 0, 0, 0, 0);
}
