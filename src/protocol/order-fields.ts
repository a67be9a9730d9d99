/**
 * What the arguments of an order are made of. A field reads its argument as text, which is not trusted, and writes it: the guest does
 * the one and the host the other, from the same description.
 */

/** Stands for an argument that a field does not take. */
export const refused: unique symbol = Symbol("refused");

export type Field<T> = { read: (text: string) => T | typeof refused; write: (value: T) => string };
/** Of any type: what is read is of the type that is written. */
export type AnyField = { read: (text: string) => unknown; write: (value: never) => string };
export type Fields = Readonly<Record<string, AnyField>>;

export type Arguments<F extends Fields> = {
  readonly [Name in keyof F]: F[Name] extends { write: (value: infer T) => string } ? T : never;
};

/** A text that matches. */
export function textField(pattern: RegExp): Field<string> {
  return { read: (text) => (pattern.test(text) ? text : refused), write: (value) => value };
}

/** A whole number in decimal digits. */
export function numberField(least: number, most: number): Field<number> {
  return {
    read: (text) => {
      const digits = text.trim();
      const value = /^\d{1,16}$/.test(digits) ? Number(digits) : -1;
      return value >= least && value <= most ? value : refused;
    },
    write: String,
  };
}

/** What `find` knows; undefined: it does not know it. */
export function knownField<T extends string>(find: (text: string) => T | undefined): Field<T> {
  return { read: (text) => find(text) ?? refused, write: (value) => value };
}

/** Words with spaces between them, each of which `find` knows, each once; none of them is a list too. */
export function listField<T extends string>(find: (word: string) => T | undefined): Field<readonly T[]> {
  return {
    read: (text) => {
      const words = text.split(" ").filter((word) => word !== "");
      const found = words.flatMap((word) => find(word) ?? []);
      return found.length === words.length ? [...new Set(found)] : refused;
    },
    write: (words) => words.join(" "),
  };
}

/** The arguments of a line; each is a word, but for the last, which is the rest. Undefined where one is refused. */
export function readArguments<F extends Fields>(fields: F, line: string): Arguments<F> | undefined {
  const names = Object.keys(fields);
  if (names.length === 0 && line !== "") return undefined;
  const read: Record<string, unknown> = {};
  let rest = line;
  for (const [index, name] of names.entries()) {
    const space = index < names.length - 1 ? rest.indexOf(" ") : -1;
    const value = fields[name]?.read(space < 0 ? rest : rest.slice(0, space));
    if (value === refused) return undefined;
    read[name] = value;
    rest = space < 0 ? "" : rest.slice(space + 1);
  }
  // Each field has read what it writes.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return read as Arguments<F>;
}

export function writeArguments<F extends Fields>(fields: F, values: Arguments<F>): string {
  const texts = Object.entries(fields).map(([name, field]) => {
    // A field writes what it has read.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return field.write(values[name] as never);
  });
  return texts.join(" ");
}
