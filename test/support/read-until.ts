/** What a process writes until it matches: a pipe gives it in pieces of any size. Also ends where the stream does. */
export async function readUntil(stream: ReadableStream<Uint8Array>, pattern: RegExp): Promise<string> {
  const reader = stream.getReader();
  try {
    let text = "";
    while (!pattern.test(text)) {
      const { value, done } = await reader.read();
      if (done) break;
      text += Buffer.from(value).toString();
    }
    return text;
  } finally {
    reader.releaseLock();
  }
}
