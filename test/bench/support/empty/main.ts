/** The floor of memory: a program of this runtime that does nothing in so many Workers. `--WORKERS` */
const worker = new URL("./empty-worker.ts", import.meta.url);
const workers = Array.from(
  { length: Number(process.argv[2]?.slice(2) ?? 0) },
  () => new Worker(worker, { smol: true }),
);
// As the agent it waits for ever.
setInterval(() => workers.length, 2 ** 30);
