/** Fields of an event in JSON: their signs and sizes. */
import { expect, test } from "bun:test";
import { showEvent } from "../support/one-event.ts";

const declared = [
  { type: "s8", offset: 8, size: 1, signed: 1 },
  { type: "u8", offset: 9, size: 1, signed: 0 },
  { type: "s16", offset: 10, size: 2, signed: 1 },
  { type: "u16", offset: 12, size: 2, signed: 0 },
  { type: "s32", offset: 16, size: 4, signed: 1 },
  { type: "u32", offset: 20, size: 4, signed: 0 },
];
const showAll = (littleEndian: boolean, bytes: number): unknown =>
  showEvent({
    longBytes: 8,
    littleEndian,
    system: "test",
    name: "numbers",
    fields: declared.map(
      ({ type, offset, size, signed }) =>
        `field:${type} ${type}_;\toffset:${offset};\tsize:${size};\tsigned:${signed};`,
    ),
    print: '""',
    values: declared.map(({ offset, size }) => ({ offset, size, value: -2 })).filter(({ offset }) => offset < bytes),
    bytes,
  }).fields;

test.each([true, false])("numbers keep their sign, whatever their size; little-endian: %s", (littleEndian) => {
  expect(showAll(littleEndian, 24)).toEqual({
    s8_: -2,
    u8_: 254,
    s16_: -2,
    u16_: 65_534,
    s32_: -2,
    u32_: 4_294_967_294,
  });
});

test("of an event that is cut short those fields are shown that it holds whole", () => {
  expect(showAll(true, 20)).toEqual({ s8_: -2, u8_: 254, s16_: -2, u16_: 65_534, s32_: -2 });
  expect(showAll(true, 12)).toEqual({ s8_: -2, u8_: 254, s16_: -2 });
});
