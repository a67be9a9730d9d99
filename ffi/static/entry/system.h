/*
 * What the entry code takes from the kernel and the C library's interface, without their headers: the numbers of the
 * auxiliary vector (linux/auxvec.h), flags (asm-generic/mman-common.h, fcntl.h, memfd.h) and of the list of loaded
 * objects that the loader keeps for debuggers (glibc's link.h, a stable interface). And words for a failure.
 */
typedef unsigned long word;

enum { AT_NULL = 0, AT_PHDR = 3, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_ENTRY = 9, AT_UID = 11, AT_EUID = 12,
       AT_GID = 13, AT_EGID = 14, AT_HWCAP = 16, AT_SECURE = 23, AT_EXECFN = 31 };
enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };
enum { MAP_PRIVATE = 2, MAP_FIXED = 16, MAP_ANONYMOUS = 32, MAP_NORESERVE = 0x4000 };
enum { RLIMIT_DATA = 2, RLIMIT_STACK = 3, RLIMIT_AS = 9 };
enum { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2, MFD_CLOEXEC = 1, MFD_NOEXEC_SEAL = 8 };
enum { O_RDONLY = 0, O_CLOEXEC = 02000000, AT_FDCWD = -100, F_GETFD = 1 };
enum { EPERM = 1, ENOENT = 2, EBADF = 9, ENOMEM = 12, EACCES = 13, EINVAL = 22, ENFILE = 23, EMFILE = 24, EFBIG = 27,
       ENOSYS = 38 };
enum { DT_NULL = 0, DT_DEBUG = 21 };

struct limit { word soft, hard; }; /* struct rlimit64; all bits set: none */
struct dynamic_entry { long tag; word value; };
struct loaded_object { word base; const char *name; word dynamic; struct loaded_object *next; };
struct loader_debug { int version; struct loaded_object *first; };

static word length_of(const char *text)
{
  word length = 0;
  while (text[length]) length++;
  return length;
}

static int same_text(const char *a, const char *b)
{
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

static int begins(const char *text, const char *start)
{
  while (*start && *text == *start) text++, start++;
  return !*start;
}

static void copy_bytes(char *to, const char *from, word count)
{
  while (count--) *to++ = *from++;
}

static void say(const char *text)
{
  system_call(SYS_write, 2, (long)text, (long)length_of(text), 0, 0, 0);
}

static const char *error_name(long error)
{
  switch (error) {
    case EPERM: return "EPERM";
    case ENOENT: return "ENOENT";
    case ENOMEM: return "ENOMEM";
    case EACCES: return "EACCES";
    case EINVAL: return "EINVAL";
    case ENFILE: return "ENFILE";
    case EMFILE: return "EMFILE";
    case EFBIG: return "EFBIG";
    case ENOSYS: return "ENOSYS";
    default: return "";
  }
}

/* Appends the digits and a NUL; returns where the next text goes, over the NUL. */
static char *append_number(char *to, word number)
{
  char digits[20], *digit = digits + sizeof digits;
  do *--digit = (char)('0' + number % 10); while (number /= 10);
  while (digit < digits + sizeof digits) *to++ = *digit++;
  *to = 0;
  return to;
}

/* Appends "/proc/self/fd/N" and a NUL; returns where the next text goes, over the NUL. */
static char *append_path(char *to, long fd)
{
  static const char folder[] = "/proc/self/fd/";
  copy_bytes(to, folder, sizeof folder - 1);
  return append_number(to + sizeof folder - 1, (word)fd);
}

static void say_number(word number)
{
  char text[21];
  append_number(text, number);
  say(text);
}

/* 69 is EX_UNAVAILABLE. */
__attribute__((noreturn)) static void end_with(const char *remedy)
{
  say("; ");
  say(remedy);
  say("\n");
  for (;;) system_call(SYS_exit_group, 69, 0, 0, 0, 0, 0);
}

/* Ends the process with what failed, the system's error if there was one, and what to do. */
__attribute__((noreturn)) static void give_up(const char *what, long error, const char *remedy)
{
  say("trace-agent: cannot start: ");
  say(what);
  if (error) {
    say(": ");
    say(error_name(error));
    say("(");
    say_number((word)error);
    say(")");
  }
  end_with(remedy);
}
