/** fsync(2) in another thread. */
import { fsync } from "node:fs";

/** By hand: node:util, which could make it of fsync(), takes 1.5 ms to load. */
export function synced(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fsync(fd, (error) => (error ? reject(error) : resolve()));
  });
}
