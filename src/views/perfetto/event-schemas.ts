/**
 * Events for which Perfetto has a message of its own, from which it makes slices, counters and thread states: field
 * number in FtraceEvent, and for each of the kernel's fields the number in that message
 * (protos/perfetto/trace/ftrace/*.proto). All others are written with a description of their fields.
 */
export type TypedField = {
  number: number;
  /** Kernel's name. */
  name: string;
  /** A function's address: written as the number of its name. */
  symbol?: true;
};

export type TypedEvent = { number: number; fields: readonly TypedField[] };

const fields = (...names: (string | undefined)[]): TypedField[] =>
  names.flatMap((name, index) => (name === undefined ? [] : [{ number: index + 1, name }]));
const symbol = (number: number, name: string): TypedField => ({ number, name, symbol: true });
const wakeup = fields("comm", "pid", "prio", "success", "target_cpu");
const work = [...fields("work"), symbol(2, "function")];

export const typedEvents: ReadonlyMap<string, TypedEvent> = new Map([
  ["ftrace/print", { number: 3, fields: fields("ip", "buf") }],
  [
    "sched/sched_switch",
    {
      number: 4,
      fields: fields("prev_comm", "prev_pid", "prev_prio", "prev_state", "next_comm", "next_pid", "next_prio"),
    },
  ],
  ["power/cpu_frequency", { number: 11, fields: fields("state", "cpu_id") }],
  ["power/cpu_idle", { number: 13, fields: fields("state", "cpu_id") }],
  ["sched/sched_wakeup", { number: 17, fields: wakeup }],
  ["sched/sched_waking", { number: 20, fields: wakeup }],
  ["irq/softirq_entry", { number: 24, fields: fields("vec") }],
  ["irq/softirq_exit", { number: 25, fields: fields("vec") }],
  ["irq/softirq_raise", { number: 26, fields: fields("vec") }],
  ["irq/irq_handler_entry", { number: 36, fields: fields("irq", "name") }],
  ["irq/irq_handler_exit", { number: 37, fields: fields("irq", "ret") }],
  ["workqueue/workqueue_activate_work", { number: 56, fields: work }],
  ["workqueue/workqueue_execute_end", { number: 57, fields: work }],
  ["workqueue/workqueue_execute_start", { number: 58, fields: work }],
  [
    "workqueue/workqueue_queue_work",
    {
      number: 59,
      fields: [...work, { number: 4, name: "req_cpu" }, { number: 5, name: "cpu" }, { number: 6, name: "workqueue" }],
    },
  ],
  ["sched/sched_wakeup_new", { number: 114, fields: wakeup }],
  ["task/task_newtask", { number: 235, fields: fields("pid", "comm", "clone_flags", "oom_score_adj") }],
  ["task/task_rename", { number: 236, fields: fields("pid", "oldcomm", "newcomm", "oom_score_adj") }],
  ["sched/sched_process_exec", { number: 237, fields: fields("filename", "pid", "old_pid") }],
  ["sched/sched_process_exit", { number: 238, fields: fields("comm", "pid", undefined, "prio") }],
  ["sched/sched_process_fork", { number: 239, fields: fields("parent_comm", "parent_pid", "child_comm", "child_pid") }],
  ["sched/sched_process_free", { number: 240, fields: fields("comm", "pid", "prio") }],
  ["sched/sched_process_wait", { number: 242, fields: fields("comm", "pid", "prio") }],
  ["signal/signal_deliver", { number: 324, fields: fields("code", "sa_flags", "sig") }],
  ["signal/signal_generate", { number: 325, fields: fields("code", "comm", "group", "pid", "result", "sig") }],
  ["raw_syscalls/sys_enter", { number: 329, fields: fields("id", "args") }],
  ["raw_syscalls/sys_exit", { number: 330, fields: fields("id", "ret") }],
  ["sched/sched_pi_setprio", { number: 353, fields: fields("comm", "newprio", "oldprio", "pid") }],
  ["ftrace/funcgraph_entry", { number: 437, fields: [{ number: 1, name: "depth" }, symbol(2, "func")] }],
  [
    "ftrace/funcgraph_exit",
    {
      number: 438,
      fields: [
        { number: 1, name: "calltime" },
        { number: 2, name: "depth" },
        symbol(3, "func"),
        { number: 4, name: "overrun" },
        { number: 5, name: "rettime" },
      ],
    },
  ],
  ["sched/sched_migrate_task", { number: 491, fields: fields("comm", "pid", "prio", "orig_cpu", "dest_cpu") }],
  ["timer/hrtimer_start", { number: 551, fields: fields("hrtimer", "function", "expires", "softexpires", "mode") }],
  ["timer/hrtimer_cancel", { number: 552, fields: fields("hrtimer") }],
  ["timer/hrtimer_expire_entry", { number: 553, fields: [...fields("hrtimer", "now"), symbol(3, "function")] }],
  ["timer/hrtimer_expire_exit", { number: 554, fields: fields("hrtimer") }],
  [
    "timer/timer_start",
    { number: 555, fields: fields("timer", "function", "expires", "now", undefined, "flags", "bucket_expiry") },
  ],
  ["timer/timer_cancel", { number: 556, fields: fields("timer") }],
  ["timer/timer_expire_entry", { number: 557, fields: fields("timer", "now", "function", "baseclk") }],
  ["timer/timer_expire_exit", { number: 558, fields: fields("timer") }],
  ["irq_vectors/local_timer_entry", { number: 559, fields: fields("vector") }],
  ["irq_vectors/local_timer_exit", { number: 560, fields: fields("vector") }],
]);
