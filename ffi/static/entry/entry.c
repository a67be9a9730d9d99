/*
 * The entry code of the static executable: what runs between the kernel's execve and Bun's own entry.
 *
 * Bun's executable wants a dynamic loader and five libraries, and most small images have none. So the file carries them
 * behind Bun, and the program headers that the kernel reads name no interpreter. The kernel then jumps straight here,
 * and this code does what the kernel and the file system would have done:
 *
 *   1. copies each library into a memfd, because the loader wants libraries as files,
 *   2. maps the loader (ld.so) from this file, as the kernel maps an interpreter,
 *   3. makes a second stack block that says what the kernel would have said with an interpreter, plus
 *      LD_PRELOAD=/proc/self/fd/N:... so that the loader finds its libraries, and jumps to the loader.
 *
 * The loader links Bun as always and jumps to what the block calls the program's entry: `finish`, which takes all that
 * back (variable, memfds, file descriptors) and lets Bun start as if nothing had happened.
 *
 * The stack at both entries (System V ABI), one machine word each, from the stack pointer upwards:
 *
 *   argc | argv[0] ... argv[argc-1] | 0 | environment strings ... | 0 | auxiliary vector: type, value ... | AT_NULL, 0
 *
 * No C library here, no writable data, no relocation: this is compiled freestanding and position-independent.
 */
#ifdef __x86_64__
#include "x64.h"
#else
#include "arm64.h"
#endif
#include "system.h"
#include "environment.h"
#include "memory.h"
#include "command.h"
#include "compiler.h"
#include "caller.h"

/* The table in front of the code, written by bundle.ts; keep the two alike. Offsets count from the file's start. */
enum { MAX_SEGMENTS = 6, MAX_LIBRARIES = 8 };
struct segment { word file_offset, address, file_size, memory_size, protection; };
struct image { word file_offset, size, entry, span, relro_address, relro_size, segment_count;
               struct segment segments[MAX_SEGMENTS]; char name[32]; };
struct bundle { word program_entry, dynamic, headers_offset, header_count, libraries_count;
                struct image loader, libraries[MAX_LIBRARIES]; };
extern const struct bundle bundle __attribute__((visibility("hidden")));
extern const char loaded[] __attribute__((visibility("hidden")));

/* What `finish` must undo. It is behind the block; the last environment string is its first member. `code_size`
   stays: it is an environment string of the program. */
struct state { char preload[16 + MAX_LIBRARIES * 32]; char code_size[64]; word page_size;
               struct limit stack; long executable, memfds[MAX_LIBRARIES]; };

/* The last two variables are the loader's and glibc's until all is linked; then these stand in their place. */
enum { SMALL_RUNTIME_VARIABLES = 8, VARIABLES_MAX = SMALL_RUNTIME_VARIABLES + 6 };
/* Without it an idle agent wakes six times a second to collect. */
static const char no_idle_wakeups[] = "BUN_GC_TIMER_DISABLE=1";

static word *environment_of(word *block) { return block + 1 + block[0] + 1; }

static word *after_list(word *list)
{
  while (*list) list++;
  return list + 1;
}

static word auxiliary(word *vector, word type)
{
  for (; vector[0] != AT_NULL; vector += 2) if (vector[0] == type) return vector[1];
  return 0;
}

/* Bytes that the second block needs at most: the kernel's, our variables, and the state; a multiple of 16. */
word block_size(word *block)
{
  word *end = after_list(environment_of(block));
  while (end[0] != AT_NULL) end += 2;
  return ((word)(end + 2 - block) * sizeof(word) + VARIABLES_MAX * sizeof(word) + sizeof(struct state) + 31) & ~15ul;
}

static long map(word address, word size, word protection, word flags, long fd, word offset)
{
  long result = system_call(SYS_mmap, (long)address, (long)size, (long)protection, (long)(MAP_PRIVATE | flags), fd,
                            (long)offset);
  if (result < 0 && result > -4096) give_up("mmap", -result, "free memory, or raise the limit on address space");
  return result;
}

static void protect(word address, word size, word protection)
{
  long result = system_call(SYS_mprotect, (long)address, (long)size, (long)protection, 0, 0, 0);
  if (result < 0) give_up("mprotect", -result, "free memory");
}

/* Maps the pages of a segment that come from the file. Both ends are rounded outwards, as every loader does. */
static void map_file_pages(const struct segment *segment, word base, word page_size, long executable)
{
  word before = segment->address & (page_size - 1);
  map(base + segment->address - before, segment->file_size + before, segment->protection, MAP_FIXED, executable,
      segment->file_offset - before);
}

/* Maps ld.so the way the kernel maps an interpreter: file pages, then zeroed memory. Returns its address. */
static word map_loader(word page_size, long executable)
{
  const struct image *loader = &bundle.loader;
  word base = (word)map(0, loader->span, 0, MAP_ANONYMOUS, -1, 0);
  for (word i = 0; i < loader->segment_count; i++) {
    const struct segment *segment = &loader->segments[i];
    map_file_pages(segment, base, page_size, executable);
    if (segment->memory_size == segment->file_size) continue;
    word start = base + segment->address;
    word end = start + segment->file_size, limit = start + segment->memory_size;
    word page_end = (end + page_size - 1) & ~(page_size - 1);
    for (char *byte = (char *)end; (word)byte < page_end; byte++) *byte = 0;
    if (limit > page_end) map(page_end, limit - page_end, segment->protection, MAP_FIXED | MAP_ANONYMOUS, -1, 0);
  }
  return base;
}

/* A library as a file that needs no file system. MFD_NOEXEC_SEAL (Linux 6.3) is what vm.memfd_noexec=2 asks for. */
static long library_file(const struct image *library, long executable)
{
  long fd = system_call(SYS_memfd_create, (long)library->name, MFD_CLOEXEC | MFD_NOEXEC_SEAL, 0, 0, 0, 0);
  if (fd == -EINVAL) fd = system_call(SYS_memfd_create, (long)library->name, MFD_CLOEXEC, 0, 0, 0, 0);
  if (fd == -EMFILE) too_few_descriptors("memfd_create");
  if (fd < 0) give_up("memfd_create", -fd, "allow this system call (Linux 3.17 or later; seccomp)");
  word offset = library->file_offset, end = offset + library->size;
  while (offset < end) {
    long sent = system_call(SYS_sendfile, fd, executable, (long)&offset, (long)(end - offset), 0, 0);
    if (sent == -EFBIG) too_small_files();
    if (sent < 0) give_up("sendfile to a memfd", -sent, "free memory (3 MiB are needed for a moment)");
    if (sent == 0) give_up("this file is too short", 0, "copy it again");
  }
  return fd;
}

static void check_world(word *vector)
{
  const char *missing = missing_cpu_feature(auxiliary(vector, AT_HWCAP));
  int other_user = auxiliary(vector, AT_UID) != auxiliary(vector, AT_EUID);
  int other_group = auxiliary(vector, AT_GID) != auxiliary(vector, AT_EGID);
  if (other_user || other_group)
    give_up("this file is set-user-ID or set-group-ID", 0, "take that bit away and run it as root");
  if (missing)
    give_up(missing, 0, "the Bun runtime needs it: give the guest a newer CPU (QEMU: -cpu max or -cpu host)");
}

/* Adds the variables that make the runtime a small one; returns where the next goes. */
static word *add_small_runtime(word *to, struct state *state, word code_bytes, int many_workers)
{
  copy_bytes(state->code_size, code_variable, sizeof code_variable - 1);
  append_number(state->code_size + sizeof code_variable - 1, code_bytes);
  *to++ = (word)state->code_size;
  *to++ = (word)(many_workers ? many_structures : small_structures);
  *to++ = (word)small_arenas;
  *to++ = (word)commit_later;
  *to++ = (word)commit_pages;
  *to++ = (word)large_objects_apart;
  *to++ = (word)no_purge_thread;
  *to++ = (word)purge_at_once;
  return to;
}

/*
 * glibc takes the limit of the stack for the size of a thread's; `finish` gives it back. What is on the stack already,
 * the strings of a large environment, must stay within it.
 */
static void limit_thread_stacks(word *block, word *vector, struct state *state)
{
  word used = auxiliary(vector, AT_EXECFN) - (word)block;
  struct limit low = { (used + thread_stack_bytes + 0xffff) & ~0xfffful, 0 };
  state->stack = (struct limit){ 0, 0 };
  system_call(SYS_prlimit64, 0, RLIMIT_STACK, 0, (long)&state->stack, 0, 0);
  low.hard = state->stack.hard;
  if (low.soft < state->stack.soft) system_call(SYS_prlimit64, 0, RLIMIT_STACK, (long)&low, 0, 0, 0);
}

/* First half. Fills the second block and returns the loader's entry; the assembly jumps there with that block. */
word start_loader(word *kernel_block, word *block)
{
  word *to = block, *from = kernel_block;
  word *variables = environment_of(kernel_block), *vector = after_list(variables);
  word page_size = auxiliary(vector, AT_PAGESZ);
  settle_with_caller();
  check_stack();
  check_world(vector);
  long executable = system_call(SYS_openat, AT_FDCWD, (long)"/proc/self/exe", O_CLOEXEC, 0, 0, 0);
  if (executable == -ENOENT) give_up("/proc is not mounted", 0, "mount it first: mount -t proc proc /proc");
  if (executable == -EMFILE) too_few_descriptors("cannot open /proc/self/exe");
  if (executable < 0) give_up("cannot open /proc/self/exe", -executable, "is this file readable, is /proc mounted?");
  int agent = is_agent(kernel_block);
  word cpus = cpu_count(), code_bytes = 0; /* 0: the runtime may reserve what it likes */
  if (agent) code_bytes = agent_code_bytes + cpus * cpu_code_bytes;
  else if (memory_is_counted()) code_bytes = command_code_bytes;
  if (code_bytes) probe_memory(code_bytes, agent, cpus, (word)&bundle);
  word loader = map_loader(page_size, executable);

  while (from < variables) *to++ = *from++; /* argc, argv and its 0 */
  for (; *variables; variables++) if (!is_dropped((const char *)*variables)) *to++ = *variables;
  /* The state is behind the block: its place is known when all variables are counted. */
  word *slots = to;
  int command = is_command(kernel_block), reader = reads_recording(kernel_block);
  to += (code_bytes ? SMALL_RUNTIME_VARIABLES : 0) + (agent ? 2 : 0) + (command ? 3 : 0) + reader + 2;
  *to++ = 0;
  for (from = vector; ; from += 2, to += 2) {
    to[0] = from[0];
    to[1] = from[1];
    if (from[0] == AT_PHDR) to[1] = (word)&bundle + bundle.headers_offset; /* Bun's headers as they were linked */
    if (from[0] == AT_PHNUM) to[1] = bundle.header_count;
    if (from[0] == AT_BASE) to[1] = loader;           /* the interpreter's address; the kernel mapped none */
    if (from[0] == AT_ENTRY) to[1] = (word)loaded;    /* our second half instead of Bun */
    if (from[0] == AT_SECURE) to[1] = 0; /* set for file capabilities and by SELinux: the loader would take no
                                            LD_PRELOAD, not even ours; what it guards against is dropped above */
    if (from[0] == AT_NULL) break;
  }

  struct state *state = (struct state *)(to + 2);
  if (code_bytes) slots = add_small_runtime(slots, state, code_bytes, agent && cpus > FEW_CPUS);
  if (agent) *slots++ = (word)late_last_tier;
  if (agent) *slots++ = (word)small_heaps;
  if (command) *slots++ = (word)late_first_tier;
  if (command) *slots++ = (word)late_middle_tier;
  if (command) *slots++ = (word)no_warm_blocks;
  if (reader) *slots++ = (word)late_collection;
  *slots++ = (word)(code_bytes ? one_glibc_arena : no_compile_delay);
  *slots = (word)state->preload;
  limit_thread_stacks(block, vector, state);
  state->page_size = page_size;
  state->executable = executable;
  char *text = state->preload + 11;
  copy_bytes(state->preload, "LD_PRELOAD=", 11);
  for (word i = 0; i < bundle.libraries_count; i++) {
    state->memfds[i] = library_file(&bundle.libraries[i], executable);
    if (i) *text++ = ':';
    text = append_path(text, state->memfds[i]);
  }
  check_spare_descriptor();
  return loader + bundle.loader.entry;
}

/* The library that the loader calls by the path of this descriptor. */
static struct loaded_object *find_object(long memfd)
{
  char path[32];
  append_path(path, memfd);
  const struct dynamic_entry *entry = (const struct dynamic_entry *)bundle.dynamic;
  while (entry->tag != DT_DEBUG && entry->tag != DT_NULL) entry++;
  struct loaded_object *object = entry->value ? ((struct loader_debug *)entry->value)->first : 0;
  while (object && !same_text(object->name, path)) object = object->next;
  if (!object) give_up("the loader has not loaded a library", 0, "report this as a bug");
  return object;
}

/*
 * Replaces every page that comes from the memfd: unchanged ones by the same bytes of this file, which the page cache
 * shares and can drop, changed ones by a copy. With the last of them the kernel frees the memfd.
 */
static void leave_memfd(const struct image *library, word base, word page_size, long executable)
{
  for (word i = 0; i < library->segment_count; i++) {
    const struct segment *segment = &library->segments[i];
    if (!(segment->protection & PROT_WRITE)) {
      map_file_pages(segment, base, page_size, executable);
      continue;
    }
    word start = (base + segment->address) & ~(page_size - 1);
    word end = (base + segment->address + segment->file_size + page_size - 1) & ~(page_size - 1);
    word copy = (word)map(0, end - start, PROT_READ | PROT_WRITE, MAP_ANONYMOUS, -1, 0);
    copy_bytes((char *)copy, (const char *)start, end - start);
    long moved = system_call(SYS_mremap, (long)copy, (long)(end - start), (long)(end - start),
                             MREMAP_MAYMOVE | MREMAP_FIXED, (long)start, 0);
    if (moved < 0 && moved > -4096) give_up("mremap", -moved, "free memory");
  }
  word start = (base + library->relro_address) & ~(page_size - 1);
  word end = (base + library->relro_address + library->relro_size) & ~(page_size - 1);
  if (end > start) protect(start, end - start, PROT_READ);
}

/* Second half, when all is linked and no code of Bun has run. Returns Bun's entry. */
word finish(word *block)
{
  word *last = after_list(environment_of(block)) - 2;
  struct state *state = (struct state *)*last;
  last[-1] = (word)(reads_recording(block) ? late_last_tier : no_compile_delay);
  last[0] = (word)no_idle_wakeups;
  if (state->stack.soft) system_call(SYS_prlimit64, 0, RLIMIT_STACK, (long)&state->stack, 0, 0, 0);
  for (word i = 0; i < bundle.libraries_count; i++) {
    leave_memfd(&bundle.libraries[i], find_object(state->memfds[i])->base, state->page_size, state->executable);
    system_call(SYS_close, state->memfds[i], 0, 0, 0, 0, 0);
  }
  system_call(SYS_close, state->executable, 0, 0, 0, 0, 0);
  return bundle.program_entry;
}
