/*
 * What the entry code knows of x86-64: how it is entered and left, how a system call is made, what Bun asks of the CPU.
 */
enum {
  SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_mmap = 9, SYS_mprotect = 10, SYS_munmap = 11, SYS_rt_sigaction = 13,
  SYS_mremap = 25, SYS_sendfile = 40, SYS_fcntl = 72, SYS_exit_group = 231, SYS_openat = 257, SYS_prlimit64 = 302,
  SYS_memfd_create = 319,
};

static inline long system_call(long number, long a, long b, long c, long d, long e, long f)
{
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

/*
 * entry: the kernel jumps here with rsp at argc. A second block is made below the kernel's and given to the loader.
 *
 * loaded: the loader jumps here (it takes this for the program's entry) with rsp at argc of that block and with rdx
 * the function to call at exit; both must reach Bun's own entry as they are. rbx has no meaning there.
 */
__asm__(".section .text.entry, \"ax\"\n"
        ".globl entry\n"
        "entry:\n"
        "  xor %ebp, %ebp\n"
        "  mov %rsp, %rdi\n"
        "  call block_size\n"
        "  mov %rsp, %rdi\n"
        "  sub %rax, %rsp\n"
        "  mov %rsp, %rsi\n"
        "  call start_loader\n"
        "  jmp *%rax\n"
        ".globl loaded\n"
        "loaded:\n"
        "  mov %rdx, %rbx\n"
        "  mov %rsp, %rdi\n"
        "  call finish\n"
        "  mov %rbx, %rdx\n"
        "  jmp *%rax\n"
        ".text\n");

/* What this CPU lacks, or 0. Bun is compiled for Nehalem (2008): SSE4.2 and POPCNT. */
static const char *missing_cpu_feature(unsigned long hardware)
{
  unsigned int a = 1, b, c, d;
  (void)hardware;
  __asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
  if (!(c & 1u << 20)) return "this CPU has no SSE4.2";
  if (!(c & 1u << 23)) return "this CPU has no POPCNT";
  return 0;
}
