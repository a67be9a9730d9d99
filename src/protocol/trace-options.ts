/**
 * Trace options that an order may name (Documentation/trace/ftrace.rst, trace_options): those that change what is recorded, or
 * what it costs. What only changes the guest's own text output is of no use to a host.
 */
export const traceOptions: readonly string[] = [
  "overwrite",
  "record-cmd",
  "record-tgid",
  "event-fork",
  "function-fork",
  "irq-info",
  "markers",
  "stacktrace",
  "userstacktrace",
  "func_stack_trace",
  "func-no-repeats",
  "funcgraph-args",
  "funcgraph-irqs",
  "funcgraph-retaddr",
  "funcgraph-retval",
  "graph-time",
  "sleep-time",
];
