/*
 * What a caller may have left: standard descriptors that are closed, and limits on files.
 */
enum { SIGXFSZ = 25, SIG_IGN = 1, SIGNAL_SET_BYTES = 8 };
struct signal_action { word handler, flags, restorer, mask; }; /* struct sigaction of the kernel */

/* A write beyond the limit ends with EFBIG, which is told, instead of a signal that ends the process. */
static void ignore_file_size_signal(void)
{
  struct signal_action ignore = { SIG_IGN, 0, 0, 0 };
  system_call(SYS_rt_sigaction, SIGXFSZ, (long)&ignore, 0, SIGNAL_SET_BYTES, 0, 0);
}

/*
 * The next files that are opened would take the places of closed stdin, stdout and stderr: whatever writes an answer or a
 * message would write into them. A directory, which every system has, can neither be read nor written nor opened anew to
 * be written: an answer that nobody receives is an error, as on a closed descriptor.
 */
static void hold_standard_descriptors(void)
{
  for (long fd = 0; fd <= 2; fd++)
    if (system_call(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) == -EBADF)
      system_call(SYS_openat, AT_FDCWD, (long)"/", O_RDONLY, 0, 0, 0);
}

/* Before anything is opened. */
static void settle_with_caller(void)
{
  hold_standard_descriptors();
  ignore_file_size_signal();
}

__attribute__((noreturn)) static void too_small_files(void)
{
  give_up("the size of files is limited to less than the 2 MiB of a library in memory", EFBIG,
          "raise the limit (ulimit -f, LimitFSIZE= of a service)");
}

__attribute__((noreturn)) static void too_few_descriptors(const char *what)
{
  give_up(what, EMFILE, "raise the limit on open files (ulimit -n, LimitNOFILE= of a service)");
}

/* The loader opens one file after the other, and says what it lacks in its own words. */
static void check_spare_descriptor(void)
{
  long fd = system_call(SYS_openat, AT_FDCWD, (long)"/", O_CLOEXEC, 0, 0, 0);
  if (fd == -EMFILE) too_few_descriptors("cannot load libraries");
  if (fd >= 0) system_call(SYS_close, fd, 0, 0, 0, 0, 0);
}
