/** libc's functions that only commands of the host call. The others, errno, and how to call them: libc.ts. */
import { dlopen } from "bun:ffi";

const link = () =>
  dlopen("libc.so.6", {
    openat: { args: ["i32", "ptr", "i32", "u32"], returns: "i32" },
    mkdirat: { args: ["i32", "ptr", "u32"], returns: "i32" },
    unlinkat: { args: ["i32", "ptr", "i32"], returns: "i32" },
    renameat: { args: ["i32", "ptr", "i32", "ptr"], returns: "i32" },
    linkat: { args: ["i32", "ptr", "i32", "ptr", "i32"], returns: "i32" },
    symlinkat: { args: ["ptr", "i32", "ptr"], returns: "i32" },
    readlinkat: { args: ["i32", "ptr", "ptr", "u32"], returns: "i32" },
    mkfifoat: { args: ["i32", "ptr", "u32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    listen: { args: ["i32", "i32"], returns: "i32" },
    accept4: { args: ["i32", "ptr", "ptr", "i32"], returns: "i32" },
    fallocate: { args: ["i32", "i32", "i64", "i64"], returns: "i32" },
    copy_file_range: { args: ["i32", "ptr", "i32", "ptr", "u64", "u32"], returns: "i64" },
    sync_file_range: { args: ["i32", "i64", "i64", "u32"], returns: "i32" },
    syncfs: { args: ["i32"], returns: "i32" },
    setgroups: { args: ["u64", "ptr"], returns: "i32" },
    setresgid: { args: ["u32", "u32", "u32"], returns: "i32" },
    setresuid: { args: ["u32", "u32", "u32"], returns: "i32" },
    execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
    signal: { args: ["i32", "u64"], returns: "u64" },
    sigprocmask: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    prlimit: { args: ["i32", "u32", "ptr", "ptr"], returns: "i32" },
    madvise: { args: ["u64", "u64", "i32"], returns: "i32" },
    prctl: { args: ["i32", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
  }).symbols;

let linked: ReturnType<typeof link> | undefined;

/** Linked at the first call: an agent has this file for ports of a directory, and with those of a machine it calls none of them. */
export function libcHost(): ReturnType<typeof link> {
  return (linked ??= link());
}

const linkInotify = () =>
  dlopen("libc.so.6", {
    inotify_init1: { args: ["i32"], returns: "i32" },
    inotify_add_watch: { args: ["i32", "ptr", "u32"], returns: "i32" },
    inotify_rm_watch: { args: ["i32", "i32"], returns: "i32" },
  }).symbols;

let linkedInotify: ReturnType<typeof linkInotify> | undefined;

/** Apart from the others, because main of an agent calls these too. */
export function libcInotify(): ReturnType<typeof linkInotify> {
  return (linkedInotify ??= linkInotify());
}
