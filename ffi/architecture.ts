/** The processor that this runs on. Not `process.arch`: the bundler puts that of the machine that builds in its place. */
import { arch } from "node:os";

export const architecture: string = arch();
