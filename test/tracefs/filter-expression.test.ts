/** What we take for a filter is one for the kernel too: a filter that it refuses costs the one before, and stays in its error_log. */
import { afterAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { existsSync } from "node:fs";
import { filterMaskCpus } from "../../src/tracefs/cpus.ts";
import { filterFields, wrongInFilter } from "../../src/tracefs/filter-expression.ts";
import { inLongForm } from "../support/long.ts";
import { reasonWithoutTracefs, TracefsInstance } from "../support/tracefs.ts";

const reason = reasonWithoutTracefs();
const instance = reason === undefined ? new TracefsInstance("filter") : undefined;
afterAll(async () => await instance?.remove());
const runs = inLongForm(500, 50_000);

const format = `name: x
ID: 1
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:char prev_comm[16];	offset:8;	size:16;	signed:0;
	field:long prev_state;	offset:24;	size:8;	signed:1;
	field:__data_loc char[] name;	offset:32;	size:4;	signed:0;
	field:const char * text;	offset:40;	size:8;	signed:0;
	field:unsigned long args[6];	offset:48;	size:48;	signed:0;
	field:cpumask_t mask;	offset:96;	size:8;	signed:0;
	field:__data_loc cpumask_t cpus;	offset:104;	size:4;	signed:0;

print fmt: "x"
`;
const fields = filterFields(format);

describe("wrongInFilter()", () => {
  test.each([
    "prev_state == 1",
    "prev_state & 0x1f && common_pid != -5",
    "(prev_state==010||!(common_pid<=3))&&prev_comm!='a b'",
    '!!prev_comm ~ "*x*"',
    'name == "" && text ~ "*foo"',
    "cpu == 1 || comm == 'x' || CPU > 0 || COMM != \"y\"",
    "prev_state > -9223372036854775808",
  ])("takes %p", (text) => {
    expect(wrongInFilter(text, fields)).toBeUndefined();
  });

  test.each([
    ["", "name of a field is missing"],
    ["prev_state", "has no operator after it"],
    ["prev_state = 1", "has no operator after it"],
    ["prev_state && 1", "has no operator after it"],
    ["prev_state == 1 common_pid == 2", "&& or || is missing"],
    ["prev_state == 1 &&", "name of a field is missing"],
    ["(prev_state == 1", ") is missing"],
    ["prev_state == 1)", "&& or || is missing"],
    ["nosuch == 1", 'it has no field "nosuch"'],
    ["prev_stat == 1", 'it has no field "prev_stat"; did you mean prev_state?'],
    ["constructor == 1", 'it has no field "constructor"'],
    ["prev_state == x", "must be compared with a number"],
    ["prev_state == 08", "must be compared with a number"],
    ["prev_state == 1x", "must be compared with a number"],
    ["prev_state == 9223372036854775808", "cannot be"],
    ["common_type == -1", "cannot be -1"],
    ["prev_state ~ 1", "is a number"],
    ['prev_comm > "x"', "is a string"],
    ['prev_comm == "x', "must be compared with a string"],
    [`prev_comm == "${"x".repeat(300)}"`, "longer than 255"],
    ["args == 1", "neither a number nor a string"],
    ["mask == 1", "neither a number nor a string"],
    ["cpus == 1", "must be compared with CPUs, as in cpus & CPUS{0-3,8}"],
    ["cpus > CPUS{1}", "compared with ==, != and &"],
    ["cpu & CPUS{2-1}", "run backwards"],
    ["cpu & CPUS{0-4}", "there is no CPU 4"],
    ["cpus & CPUS{}", "must be compared with CPUs"],
    ["cpus & CPUS{0", "must be compared with CPUs"],
    ["cpus & CPUS{0-3:1/2}", "must be compared with CPUs"],
    ["prev_comm == CPUS{1}", "must be compared with a string"],
    ["prev_comm.ustring == 'x'", "has no operator after it"],
  ])("refuses %p", (text, why) => {
    expect(wrongInFilter(text, fields, 4)?.reason).toContain(why);
  });

  test("takes CPU masks where the kernel knows them", () => {
    for (const text of ["cpus & CPUS{0-2}", "!(cpu == CPUS{3})&&cpus!=CPUS{0,2-3}", "common_pid & CPUS{1}"]) {
      expect(wrongInFilter(text, fields, 4)).toBeUndefined();
      expect(wrongInFilter(text, fields)?.reason).toContain("from 6.6 on");
    }
  });

  test.skipIf(instance === undefined)("takes nothing that the kernel refuses", () => {
    const events = ["sched/sched_switch", "irq/irq_handler_entry", "raw_syscalls/sys_enter", "kmem/kmalloc"];
    if (existsSync(instance!.path + "/events/ipi/ipi_send_cpumask")) events.push("ipi/ipi_send_cpumask");
    const maskCpus = filterMaskCpus();
    const own = events.map((event) => filterFields(instance!.read(`events/${event}/format`)));
    const names = [...new Set(own.flatMap((one) => [...one.keys()]))];
    const number = fc.oneof(
      fc.integer().map(String),
      fc.bigInt({ min: -(1n << 64n), max: 1n << 64n }).map(String),
      fc.integer({ min: 0, max: 1 << 20 }).map((value) => `0x${value.toString(16)}`),
      fc.integer({ min: 0, max: 99 }).map((value) => `0${value}`),
    );
    const string = fc
      .string({ maxLength: 20, unit: fc.constantFrom(..."ab*?[]!^- &|()'\"0".split("")) })
      .map((text) => `"${text}"`);
    const value = fc.oneof(number, string, fc.constantFrom("x", "", "'", "-", "'a b'"));
    const operator = fc.constantFrom("==", "!=", "<", "<=", ">", ">=", "&", "~", "=", "&&", "");
    const space = fc.constantFrom("", " ", "  ");
    const comparison = fc
      .tuple(fc.constantFrom(...names, "nosuch", "CPU"), space, operator, space, value)
      .map((parts) => parts.join(""));
    const cpuList = fc.string({ maxLength: 4, unit: fc.constantFrom("0", "1", "-", ",", "7", " ") });
    const masked = fc
      .tuple(fc.constantFrom("cpumask", "CPU", "cpu", "irq", "comm", "name"), operator, cpuList)
      .map(([name, by, list]) => `${name} ${by} CPUS{${list}}`);
    const { filter } = fc.letrec<{ filter: string }>((tie) => ({
      filter: fc.oneof(
        { maxDepth: 4 },
        comparison,
        masked,
        fc
          .tuple(tie("filter"), fc.constantFrom(" && ", "||", " & ", " "), tie("filter"))
          .map((parts) => parts.join("")),
        tie("filter").map((inner) => `(${inner})`),
        tie("filter").map((inner) => `!${inner}`),
        tie("filter").map((inner) => `! (${inner} )`),
        tie("filter").map((inner) => `(${inner}`),
      ),
    }));
    let [taken, withMask] = [0, 0];
    fc.assert(
      fc.property(fc.nat(events.length - 1), filter, (index, text) => {
        if (text.trim() === "" || wrongInFilter(text, own[index]!, maskCpus) !== undefined) return;
        taken++;
        if (text.includes("CPUS")) withMask++;
        instance!.write(`events/${events[index]}/filter`, text);
        expect(instance!.read(`events/${events[index]}/filter`)).toBe(text.trim());
        instance!.write(`events/${events[index]}/filter`, "0");
      }),
      { numRuns: runs },
    );
    // A fuzzer whose inputs are all refused tests nothing.
    expect(taken).toBeGreaterThan(runs / 50);
    if (maskCpus !== undefined) expect(withMask).toBeGreaterThan(0);
  });
});
