/*
 * What the entry code takes from the kernel and the C library's interface, without their headers: the numbers of the
 * auxiliary vector (linux/auxvec.h), flags (asm-generic/mman-common.h, fcntl.h, memfd.h) and of the list of loaded
 * objects that the loader keeps for debuggers (glibc's link.h, a stable interface). And words for a failure.
 */
typedef unsigned long word;

enum { AT_NULL = 0, AT_PHDR = 3, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_ENTRY = 9, AT_UID = 11, AT_EUID = 12,
       AT_GID = 13, AT_EGID = 14, AT_HWCAP = 16, AT_SECURE = 23 };
enum { PROT_READ = 1, PROT_WRITE = 2, MAP_PRIVATE = 2, MAP_FIXED = 16, MAP_ANONYMOUS = 32 };
enum { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2, MFD_CLOEXEC = 1, MFD_NOEXEC_SEAL = 8 };
enum { O_CLOEXEC = 02000000, AT_FDCWD = -100 };
enum { EPERM = 1, ENOENT = 2, ENOMEM = 12, EACCES = 13, EINVAL = 22, ENFILE = 23, EMFILE = 24, ENOSYS = 38 };
enum { DT_NULL = 0, DT_DEBUG = 21 };

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
    case ENOSYS: return "ENOSYS";
    default: return "";
  }
}

/* Ends the process with what failed, the system's error if there was one, and what to do. 69 is EX_UNAVAILABLE. */
__attribute__((noreturn)) static void give_up(const char *what, long error, const char *remedy)
{
  char digits[12];
  char *digit = digits + sizeof digits;
  say("trace-agent: cannot start: ");
  say(what);
  if (error) {
    say(": ");
    say(error_name(error));
    *--digit = 0;
    *--digit = ')';
    for (long rest = error; rest; rest /= 10) *--digit = (char)('0' + rest % 10);
    *--digit = '(';
    say(digit);
  }
  say("; ");
  say(remedy);
  say("\n");
  for (;;) system_call(SYS_exit_group, 69, 0, 0, 0, 0, 0);
}
