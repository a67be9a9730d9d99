/** Values that come in parts, `set KEY+ PART`, until `set KEY+ .` says that this was all: then the value counts, or none of it. */
import { AgentError } from "../../base/errors.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import type { SettableKey } from "../../protocol/orders.ts";

export class LongValues {
  readonly #parts = new Map<SettableKey, string[]>();
  /** Keys whose value is too long, or was refused a part: the rest of it is passed over. */
  readonly #spoilt = new Set<SettableKey>();
  #chars = 0;

  /** Throws where it is too long; what came of it is forgotten. */
  add(key: SettableKey, part: string): void {
    if (this.#spoilt.has(key)) throw tooLong(key);
    this.#chars += part.length + 1;
    if (this.#chars > protocolLimits.settingChars) {
      this.forget(key);
      this.#spoilt.add(key);
      throw tooLong(key);
    }
    const parts = this.#parts.get(key);
    if (parts === undefined) this.#parts.set(key, [part]);
    else parts.push(part);
  }

  /** The whole value. Throws where a part of it is missing. */
  take(key: SettableKey): string {
    const parts = this.#parts.get(key);
    const spoilt = this.#spoilt.delete(key);
    this.forget(key);
    if (spoilt) throw tooLong(key);
    if (parts === undefined) throw new AgentError("usage", `cannot set ${key}: no part of it came`);
    return parts.join(" ");
  }

  /** Of this key, or of all: another value, another session. */
  forget(key?: SettableKey): void {
    for (const one of key === undefined ? [...this.#parts.keys()] : [key]) {
      for (const part of this.#parts.get(one) ?? []) this.#chars -= part.length + 1;
      this.#parts.delete(one);
    }
    if (key === undefined) this.#spoilt.clear();
    else this.#spoilt.delete(key);
    if (this.#parts.size === 0) this.#chars = 0;
  }
}

function tooLong(key: string): AgentError {
  return new AgentError("usage", `cannot set ${key}: its parts are longer than ${protocolLimits.settingChars} chars`);
}
