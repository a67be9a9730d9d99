/*
 * Which command the program runs, by the words that it was started with.
 */

/* Whether the program runs as the agent: src/main.ts takes a first word that is no option for a command. */
static int is_agent(const word *block)
{
  return block[0] < 2 || *(const char *)block[2] == '-';
}

/* Whether the program reads a recording to its end: the commands that src/main.ts has for it. */
static int reads_recording(const word *block)
{
  if (block[0] < 2) return 0;
  const char *command = (const char *)block[2];
  return same_text(command, "report") || same_text(command, "export") || same_text(command, "open");
}

/* Whether it goes on for long: a recorder that keeps files, or the newest part, or is told what to do by a file. */
static int stays(const word *block)
{
  if (!same_text((const char *)block[2], "record")) return 0;
  for (word i = 3; i <= block[0]; i++) {
    const char *option = (const char *)block[i];
    if (begins(option, "--rotate") || begins(option, "--last") || begins(option, "--config")) return 1;
  }
  return 0;
}

/* Whether it may be over soon: not the agent of this machine, which compiles its loops while it is armed. */
static int is_command(const word *block)
{
  return !is_agent(block) && !same_text((const char *)block[2], "local-agent") && !stays(block);
}
