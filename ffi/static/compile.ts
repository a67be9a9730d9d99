/**
 * One program and the Bun runtime in one file, as `bun build --compile` makes it: still linked dynamically.
 *
 * The flags close what a root daemon must not have: nothing is read from the working directory, no code is made from
 * strings (which is what --eval and --preload need), no C compiler and no native add-on is at hand. The libc functions
 * that ffi/ calls through dlopen stay.
 */

export type Program = {
  /** The main file, then the files that it starts as Workers. */
  entrypoints: string[];
  /** The folder that the paths in the bundle are relative to. */
  root: string;
};

export type Compilation = Program & {
  /** The Bun executable to embed. */
  bun: string;
  /** Files that the program finds beside its main file. */
  assets: string[];
  /** Names in the program that stand for these texts. */
  constants: Record<string, string>;
};

export async function compile(compilation: Compilation, outfile: string): Promise<void> {
  const { entrypoints, root, bun, assets, constants } = compilation;
  await Bun.build({
    entrypoints,
    root,
    target: "bun",
    define: Object.fromEntries(Object.entries(constants).map(([name, text]) => [name, JSON.stringify(text)])),
    // Each part is read when it is used: as one file the agent would parse the host's commands too, 20 ms of its start.
    splitting: true,
    // The parser leaves 0.9 MiB in an armed agent of 2 CPUs, and takes a third of its start. A runtime of another build parses all the same.
    bytecode: true,
    format: "esm",
    compile: {
      outfile,
      executablePath: bun,
      assets,
      autoloadBunfig: false,
      autoloadDotenv: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
      execArgv: ["--disallow-code-generation-from-strings=strict", "--no-ffi-cc", "--no-addons"],
    },
  });
}
