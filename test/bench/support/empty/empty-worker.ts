/** A Worker that waits for a message and does nothing. */
globalThis.addEventListener("message", () => {});
