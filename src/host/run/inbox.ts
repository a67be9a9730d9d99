/**
 * The reply that is waited for. Others are dropped: a guest that sends what nobody asked for must not fill our memory, and what came before an
 * order was sent is no answer to it.
 */
import type { ReadReply } from "../../protocol/reply-reader.ts";
import type { Reply } from "../../protocol/replies.ts";

type Kind = Reply["reply"];

export class Inbox {
  #kind: Kind | undefined;
  #word = "";
  #found: ReadReply | undefined;

  /** An order was sent: its reply is of this kind, or an error that names `word`. */
  expect(kind: Kind, word: string): void {
    this.#kind = kind;
    this.#word = word;
    this.#found = undefined;
  }

  push(read: ReadReply): void {
    const { reply } = read;
    if (this.#found !== undefined || this.#kind === undefined) return;
    if (reply.reply === this.#kind || (reply.reply === "error" && names(reply.order, this.#word))) this.#found = read;
  }

  get found(): ReadReply | undefined {
    return this.#found;
  }

  /** Nothing is waited for any more. */
  close(): void {
    this.#kind = undefined;
    this.#found = undefined;
  }
}

/** An error names the order that it refers to: by our word for it, or by its first characters. */
function names(order: string, word: string): boolean {
  const known: Record<string, string> = { "1": "start", "0": "stop" };
  return order === word || order === known[word] || order.startsWith(`${word} `);
}
