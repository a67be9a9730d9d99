/** Starts the sample's Worker the way the agent starts its own, and waits for its word. */
export function greet(): Promise<unknown> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url));
  return new Promise((resolve, reject) => {
    worker.addEventListener("message", (event) => resolve(event.data));
    worker.addEventListener("error", (event) => reject(new Error(event.message)));
  });
}
