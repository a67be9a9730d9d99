/** The plugins: events whose text is not made by their print fmt, by system and name. */
import { functionCall, kernelStack, rawMarker } from "./ftrace.ts";
import { futex } from "./futex.ts";
import { functionEntry, functionExit } from "./function-graph.ts";
import type { Plugin } from "./plugin.ts";
import { allocation, tlbFlush } from "./memory.ts";
import { schedSwitch, schedWakeup } from "./sched.ts";
import { hrtimerExpire, hrtimerStart } from "./timer.ts";
import { binaryPrintk, printkMessage, putsMessage } from "./trace-printk.ts";

export const plugins: ReadonlyMap<string, Plugin> = new Map([
  ["sched/sched_switch", schedSwitch],
  ["sched/sched_wakeup", schedWakeup],
  ["sched/sched_wakeup_new", schedWakeup],
  ["kmem/kmalloc", allocation],
  ["kmem/kmalloc_node", allocation],
  ["kmem/kfree", allocation],
  ["kmem/kmem_cache_alloc", allocation],
  ["kmem/kmem_cache_alloc_node", allocation],
  ["kmem/kmem_cache_free", allocation],
  ["tlb/tlb_flush", tlbFlush],
  ["timer/hrtimer_expire_entry", hrtimerExpire],
  ["timer/hrtimer_start", hrtimerStart],
  ["syscalls/sys_enter_futex", futex],
  ["ftrace/function", functionCall],
  ["ftrace/kernel_stack", kernelStack],
  ["ftrace/raw_data", rawMarker],
  ["ftrace/bprint", binaryPrintk],
  ["ftrace/funcgraph_entry", functionEntry],
  ["ftrace/fgraph_retaddr_entry", functionEntry],
  ["ftrace/funcgraph_exit", functionExit],
]);

/** Fields that hold the address of a text, by system, event and field: the text that was printed. */
export const knownFieldTexts: ReadonlyMap<string, Plugin> = new Map([
  ["ftrace/bprint/buf", printkMessage],
  ["ftrace/bputs/str", putsMessage],
]);
