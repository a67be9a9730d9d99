/**
 * A quick way for acknowledgements, which come all the time while much is recorded, mostly alone in a read. It makes no text and no
 * objects: as other orders they would be a dozen functions, which the runtime compiles while the data go.
 */
const ackWord = [0x61, 0x63, 0x6b, 0x20] as const;
const newline = 0x0a;
const space = 0x20;
const zero = 0x30;
/** With more digits a line is left to the parser of all orders. */
const cpuDigitsMax = 5;
const positionDigitsMax = 15;

/**
 * Takes whole lines `ack CPU BYTES` off the front of `bytes`, of which `length` count, and returns where they end. What is written in any
 * other way stays for the parser of all orders, also where that takes it for an acknowledgement.
 */
export function takeAckLines(
  bytes: Uint8Array,
  length: number,
  acknowledge: (cpu: number, position: number) => void,
): number {
  let end = 0;
  for (;;) {
    let at = end;
    for (let index = 0; index < ackWord.length; index++) if (at >= length || bytes[at++] !== ackWord[index]) return end;
    let cpu = 0;
    const cpuAt = at;
    for (; at < length && isDigit(bytes[at] ?? 0); at++) cpu = cpu * 10 + (bytes[at] ?? 0) - zero;
    if (at === cpuAt || at - cpuAt > cpuDigitsMax || at >= length || bytes[at++] !== space) return end;
    let position = 0;
    const positionAt = at;
    for (; at < length && isDigit(bytes[at] ?? 0); at++) position = position * 10 + (bytes[at] ?? 0) - zero;
    if (at === positionAt || at - positionAt > positionDigitsMax || at >= length || bytes[at++] !== newline) return end;
    acknowledge(cpu, position);
    end = at;
  }
}

function isDigit(byte: number): boolean {
  return byte >= zero && byte <= zero + 9;
}
