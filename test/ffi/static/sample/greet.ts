/** Starts the sample's Worker the way the agent starts its own, waits for its word, and for its thread to end. */
export function greet(): Promise<unknown> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url));
  return new Promise((resolve, reject) => {
    let word: unknown;
    worker.addEventListener("message", (event) => {
      word = event.data;
      worker.terminate();
    });
    worker.addEventListener("close", () => resolve(word));
    worker.addEventListener("error", (event) => reject(new Error(event.message)));
  });
}
