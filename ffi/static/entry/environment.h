/*
 * Which variables of the caller's environment do not reach the runtime. The agent is a daemon of root: whoever can set
 * a variable for it must not be able to load code into it, to turn it into the `bun` command line, to open a debugger
 * or to change the memory allocator.
 */

/* Prefixes, each ended by a NUL, the last by two; letters of either case match, as some readers fold case. */
static const char dropped[] =
    "BUN_\0"                                  /* the runtime: options, inspector, crash reports, `bun` itself */
    "NODE_\0"                                 /* NODE_OPTIONS, NODE_CHANNEL_FD, NODE_EXTRA_CA_CERTS and others */
    "JSC_\0" "MIMALLOC_\0" "SIMDUTF_\0" "UV_\0" /* the engine, its allocator and its libraries */
    "LD_\0" "GLIBC" "\0" "MALLOC_\0"          /* the dynamic loader, GLIBC_TUNABLES, glibc's allocator */
    "GCONV_PATH=\0" "GETCONF_DIR=\0" "LOCPATH=\0" "NLSPATH=\0" /* what glibc itself ignores in a set-user-ID program */
    "HOSTALIASES=\0" "LOCALDOMAIN=\0" "RES_OPTIONS=\0" "RESOLV_HOST_CONF=\0";

static char upper(char letter)
{
  return letter >= 'a' && letter <= 'z' ? (char)(letter - 32) : letter;
}

static int is_dropped(const char *variable)
{
  for (const char *prefix = dropped; *prefix; prefix += length_of(prefix) + 1) {
    word i = 0;
    while (prefix[i] && upper(variable[i]) == prefix[i]) i++;
    if (!prefix[i]) return 1;
  }
  return 0;
}
