/** The two machines that the executable is built for, and what each calls its parts. */
import { machines, type Machine } from "./elf.ts";

export type Target = {
  machine: Machine;
  /** GNU's name of the machine, as in the names of compilers and library folders. */
  triple: string;
  /** dpkg's name of the machine. */
  debian: string;
  /** The npm package that holds the Bun executable. */
  bunPackage: string;
  /** The dynamic loader and where a distribution puts it. */
  loader: string;
  loaderFolder: string;
};

export const targets: Record<Machine, Target> = {
  x64: {
    machine: "x64",
    triple: "x86_64-linux-gnu",
    debian: "amd64",
    bunPackage: "@oven/bun-linux-x64",
    loader: "ld-linux-x86-64.so.2",
    loaderFolder: "/lib64",
  },
  arm64: {
    machine: "arm64",
    triple: "aarch64-linux-gnu",
    debian: "arm64",
    bunPackage: "@oven/bun-linux-aarch64",
    loader: "ld-linux-aarch64.so.1",
    loaderFolder: "/lib",
  },
};

/**
 * What Bun's executable asks the loader for (its DT_NEEDED), and libgcc_s, which glibc opens by itself when a thread
 * ends: without it the process aborts there.
 */
export const libraryNames = ["libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "libgcc_s.so.1"];

/** This machine, if it is one of the two. */
export function hostMachine(): Machine | undefined {
  return process.platform === "linux" && process.arch in machines ? (process.arch as Machine) : undefined;
}
