/** What a recording chooses in a guest is what trace-cmd chooses there, and the guest is as before, however it ends. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import type { HostTransport } from "../../src/transport/transports.ts";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import type { GuestProcess } from "../support/guest-handle.ts";
import { HostEnds } from "../support/host-ends.ts";
import type { KernelName } from "../support/kernel.ts";
import { isLong } from "../support/long.ts";
import { whyNoTools } from "../support/packages.ts";
import { prepareGuest } from "../support/prepared-guest.ts";
import { RecorderProcess, traceAgent, traceAgentText } from "../support/recorder-process.ts";
import { traceCmd } from "../support/trace-cmd.ts";
import { traceCmdFiles } from "../support/trace-cmd-files.ts";
import { GuestTracingState, settingsRestored } from "../support/tracing-state.ts";
import { words } from "../support/words.ts";

const tracing = "/sys/kernel/tracing";
const base = mkdtempSync(`${tmpdir()}/trace-agent-choose-`);
afterAll(() => rmSync(base, { recursive: true }));
const noTraceCmd = await whyNoTools("trace-cmd");

type Choice = {
  args: string[];
  /** Those in which the two must leave the same. */
  files: string[];
  /** Shell text that makes events, and what is looked for in trace-cmd's report of them. */
  work?: string;
  check?: (lines: readonly string[]) => void;
};

/** Options that trace-cmd and we take. */
const choices: Choice[] = [
  {
    // A filter of a system counts for its events that have the field.
    args: words(
      "-e sched -e irq_handler_* -e timer:*start* -e workqueue -e irq -f |vec == 1| " +
        "-v -e *stat* -e sched_wakeup_new -R |traceoff if prio == 1234|",
    ),
    files: words("set_event events/irq/softirq_entry/filter events/sched/sched_wakeup_new/trigger"),
  },
  {
    args: words(
      "-p function -l vfs_* -n vfs_write -P 1 " +
        "-e sched_switch -f |prev_pid != 0 && next_comm ~ 'k*'| -R |stacktrace if prev_prio == 1234|",
    ),
    files: words(
      "current_tracer set_ftrace_filter set_ftrace_notrace set_event_pid set_ftrace_pid set_event " +
        "events/sched/sched_switch/filter events/sched/sched_switch/trigger",
    ),
  },
  {
    // Without -l the kernel changes each of its functions, which takes an emulated guest a minute.
    args: words("-p function_graph -g vfs_read -l vfs_* -l rw_verify_area --max-graph-depth 2 -e sched_switch -T"),
    files: words("current_tracer set_graph_function set_ftrace_filter max_graph_depth set_event options/stacktrace"),
    work: "for i in 1 2 3 4 5; do cat /proc/version >/dev/null; done",
    // As deep as asked for, and no deeper.
    check: (lines) => {
      expect(lines.some((text) => / funcgraph_entry: .*\| {2}vfs_read\(\) \{$/.test(text))).toBe(true);
      expect(lines.some((text) => / funcgraph_entry: .*\| {4}rw_verify_area\(\);$/.test(text))).toBe(true);
      expect(lines.filter((text) => / funcgraph_entry: .*\| {6}/.test(text))).toEqual([]);
    },
  },
  {
    // A task that is not there starts none.
    args: words("-e sched_switch -P 32000 -c"),
    files: words("set_event set_event_pid options/event-fork"),
  },
];
const quoted = (args: readonly string[]): string => args.map((arg) => `'${arg.replaceAll("'", "'\\''")}'`).join(" ");

/** The long form tries all in each kernel; what 6.1 is given of function tracers, its killed recorders below set as well. */
const choicesOf = (kernel: KernelName): Choice[] => (kernel === "6.12" || isLong ? choices : choices.slice(0, 1));

/** `killedArgs`: of the recorders that are killed. Two kernels, two transports, and all that can be set between them. */
const graphed =
  "-p function_graph -g vfs_read -l vfs_* -l rw_verify_area --max-graph-depth 3 " +
  "-e sched_switch -f |prev_pid > 0| -R stacktrace:5";
const variants: { kernel: KernelName; transport: HostTransport; killedArgs: string[] }[] = [
  { kernel: "6.12", transport: "fifo", killedArgs: words(graphed) },
  // A port without a client takes nothing: the rest of the run is not handed over, and the tracer is restored all the same.
  { kernel: "6.1", transport: "socket", killedArgs: words(`${graphed} -C mono -b 1024`) },
];

for (const { kernel, transport, killedArgs } of variants) {
  const cpus = 2;
  const directory = `${base}/vm-${kernel}`;
  const prepared = prepareGuest(directory, cpus, transport);
  const files = { "/bin/trace-agent": executable, ...(noTraceCmd === undefined ? traceCmdFiles() : {}) };
  await describeWithGuest(
    `choosing in a guest with kernel ${kernel}, over ${transport}s`,
    { kernel, cpus, memoryMb: 640, transport, prepared, files },
    (guest) => {
      const output = `${base}/${kernel}.dat`;
      const small = (): Promise<GuestTracingState> => GuestTracingState.of(guest(), ["sched", "irq", "timer"]);
      const contents = (names: readonly string[]): Promise<string> =>
        guest().text(`cd ${tracing}; for file in ${names.join(" ")}; do echo "== $file"; cat $file; done`);
      const restored = async (before: GuestTracingState): Promise<void> => {
        await settingsRestored(guest());
        expect(await before.changes()).toBe("");
      };
      let agent: GuestProcess | undefined;
      beforeAll(async () => {
        // Once used, a ring buffer stays as large as it became.
        await guest().run(`echo 1408 >${tracing}/buffer_size_kb; echo sched:sched_process_hang >${tracing}/set_event`);
        agent = await guest().spawn("exec trace-agent");
        await agent.says("armed: ");
      }, guestTestTimeoutMs);

      test.skipIf(noTraceCmd !== undefined)(
        "sets what trace-cmd sets, for each option, records what was chosen, and restores it",
        async () => {
          for (const { args, files: names, work, check } of choicesOf(kernel)) {
            // What was there before, trace-cmd forgets; it adds to it where no -e is given.
            await guest().run(
              `: >${tracing}/set_event; mkdir -p /root; cd /root; trace-cmd start ${quoted(args)} >/dev/null`,
            );
            // It puts a filter in brackets.
            const theirs = (await contents(names)).replaceAll(/^\((.*)\)$/gm, "$1");
            await guest().run(
              `trace-cmd reset >/dev/null; cd ${tracing}; echo 1408 >buffer_size_kb; : >set_event; ` +
                "echo 0 >options/event-fork; echo 0 >options/function-fork",
            );
            const before = await small();
            const recorder = new RecorderProcess(["record", directory, ...args, "-o", output]);
            await recorder.recording(output);
            if (work !== undefined) await guest().run(work);
            const trigger = names.find((name) => name.endsWith("/trigger"));
            // Triggers are set behind the start.
            if (trigger !== undefined)
              await guest().run(`until grep -q unlimited ${tracing}/${trigger}; do usleep 50000; done`);
            const ours = await contents(names);
            recorder.kill("SIGINT");
            const { code, stderr } = await recorder.ended();
            expect({ args, code, stderr }).toMatchObject({ args, code: 0 });
            expect({ args, files: ours }).toEqual({ args, files: theirs });
            check?.(traceCmd("report", "-i", output).split("\n"));
            await restored(before);
          }
        },
        guestTestTimeoutMs,
      );

      test(
        "refuses what it has not, and what could not be restored, and changes nothing",
        async () => {
          let before = await small();
          const refused = async (args: string[], reason: string): Promise<void> => {
            const { code, stderr } = await traceAgent("record", directory, ...args, "-d", "1", "-o", output);
            expect({ args, code, stderr }).toEqual({
              args,
              code: 69,
              stderr: expect.stringContaining(reason),
            });
            await restored(before);
          };
          await refused(["-e", "sched_swich"], "did you mean sched_switch?");
          await refused(["-p", "function", "-l", "nosuch_function"], 'no function "nosuch_function"');
          await refused(["-e", "sched_switch", "-f", "nosuch == 1"], 'no field "nosuch"');
          await guest().run(`echo 'traceoff:3 if prev_prio == 1234' >${tracing}/events/sched/sched_switch/trigger`);
          before = await small();
          await refused(["-e", "sched_switch", "-R", "stacktrace"], '"traceoff:count=3 if prev_prio == 1234" counts');
          await guest().run(`echo '!traceoff' >${tracing}/events/sched/sched_switch/trigger`);
          await guest().run(`echo 'a*' >${tracing}/set_ftrace_filter`);
          before = await small();
          await refused(["-p", "function", "-l", "vfs_read"], "more than 16384 chars");
          await guest().run(`: >${tracing}/set_ftrace_filter`);
        },
        guestTestTimeoutMs,
      );

      test(
        "takes none of the kernel's commands as names of functions",
        async () => {
          const before = await small();
          using ends = new HostEnds(guest(), { cpus: [0, 1] });
          await ends.ask("hello attack", "hello");
          for (const order of [
            "set functions vfs_read:traceoff",
            "set functions vfs_read:enable_event:irq:irq_handler_entry:1",
            "set functions vfs_read:snapshot:1",
            "set functions :mod:virtio_console",
            "set functions *:cpudump",
            "set no_functions vfs_read:stacktrace",
            "set graph_functions vfs_read:dump",
            "set functions 5",
            "set options func_stack_trace",
            "set trigger sched:sched_switch hist:keys=prev_pid",
            "set trigger sched:sched_switch snapshot",
          ]) {
            const { error } = await ends.ask(order, "error");
            expect({ order, error: typeof error }).toEqual({ order, error: "string" });
          }
          expect(await before.changes()).toBe("");
        },
        guestTestTimeoutMs,
      );

      test(
        "is as before after a recorder that was killed, and after an agent that was killed",
        async () => {
          // All events of one kernel: it takes an emulated guest long.
          const allBefore = kernel === "6.12" ? await GuestTracingState.of(guest()) : undefined;
          const before = await small();
          const killed = new RecorderProcess(["record", directory, ...killedArgs, "-o", output]);
          await killed.recording(output);
          await killed.killHard();
          rmSync(`${output}.spool`, { recursive: true });
          expect(await before.changes()).not.toBe("");
          await traceAgentText("status", directory);
          await restored(before);

          const second = new RecorderProcess(["record", directory, ...killedArgs, "-o", output]);
          await second.recording(output);
          expect(await guest().text("find /run/trace-agent -type f -perm 0600")).toMatch(/\/\d+-\d+$/);
          await agent?.kill("KILL");
          await second.killHard();
          rmSync(`${output}.spool`, { recursive: true });
          expect(await before.changes()).not.toBe("");
          const successor = await guest().spawn("exec trace-agent");
          await successor.says("armed: ");
          await restored(before);
          expect((await allBefore?.changes()) ?? "").toBe("");
        },
        guestTestTimeoutMs,
      );
    },
  );
}
