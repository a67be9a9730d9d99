/*
 * What the entry code knows of arm64: how it is entered and left, how a system call is made, what Bun asks of the CPU.
 */
enum {
  SYS_fcntl = 25, SYS_openat = 56, SYS_close = 57, SYS_read = 63, SYS_write = 64, SYS_sendfile = 71, SYS_exit_group = 94,
  SYS_rt_sigaction = 134, SYS_munmap = 215, SYS_mremap = 216, SYS_mmap = 222, SYS_mprotect = 226, SYS_prlimit64 = 261,
  SYS_memfd_create = 279,
};

static inline long system_call(long number, long a, long b, long c, long d, long e, long f)
{
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc #0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
}

/*
 * entry: the kernel jumps here with sp at argc. A second block is made below the kernel's and given to the loader.
 *
 * loaded: the loader jumps here (it takes this for the program's entry) with sp at argc of that block and with x0 the
 * function to call at exit; both must reach Bun's own entry as they are. x19 has no meaning there.
 */
__asm__(".section .text.entry, \"ax\"\n"
        ".globl entry\n"
        "entry:\n"
        "  mov x29, #0\n"
        "  mov x30, #0\n"
        "  mov x0, sp\n"
        "  bl block_size\n"
        "  mov x2, x0\n"
        "  mov x0, sp\n"
        "  sub x1, x0, x2\n"
        "  mov sp, x1\n"
        "  bl start_loader\n"
        "  mov x16, x0\n"
        "  br x16\n"
        ".globl loaded\n"
        "loaded:\n"
        "  mov x19, x0\n"
        "  mov x0, sp\n"
        "  bl finish\n"
        "  mov x16, x0\n"
        "  mov x0, x19\n"
        "  mov x29, #0\n"
        "  mov x30, #0\n"
        "  br x16\n"
        ".text\n");

/* What this CPU lacks, or 0. Bun is compiled for armv8-a with CRC32 (HWCAP_CRC32, asm/hwcap.h). */
static const char *missing_cpu_feature(unsigned long hardware)
{
  return hardware & 1ul << 7 ? 0 : "this CPU has no CRC32";
}
