/**
 * A recorder's status as Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): counters end in _total, units
 * are base units. `domain` is the guest's name, as libvirt's exporters call it, or "host"; `session` the directory: files of
 * several recorders lie side by side in node_exporter's directory, where no series may stand twice. Names are never changed.
 */
import type { ControlStatus, MachineStatus } from "../control/messages.ts";

type Labels = Readonly<Record<string, string | number>>;
type Sample = { labels: Labels; value: number };
type Metric = { name: string; type: "counter" | "gauge"; help: string; samples: readonly Sample[] };

/** `perCpu`: with a series for each CPU of what is counted by CPU, instead of their sum. */
export function metricsText(status: ControlStatus, perCpu: boolean): string {
  return metricsOf(status, perCpu).map(metricText).join("");
}

function metricsOf(status: ControlStatus, perCpu: boolean): Metric[] {
  const { directory: session, version, machines, snapshots, diskBytes } = status;
  const each = (of: (machine: MachineStatus) => number): Sample[] =>
    machines.map((machine) => ({ labels: { session, domain: machine.name }, value: of(machine) }));
  return [
    gauge("build_info", "Version of the recorder", [{ labels: { session, version }, value: 1 }]),
    counter("received_bytes_total", "Trace data received, of a machine", received(status, perCpu)),
    counter("events_lost_total", "Events that are in no recording, by why", lost(status, perCpu)),
    counter(
      "lost_bytes_total",
      "Trace data that was read in the machine and did not arrive",
      each(({ lostBytes }) => lostBytes),
    ),
    gauge(
      "guest_up",
      "Whether the machine's agent answers",
      each(({ up }) => Number(up)),
    ),
    gauge(
      "recording",
      "Whether the machine is recorded",
      each(({ state }) => Number(state === "recording")),
    ),
    gauge(
      "guest_silent_seconds",
      "For how long the machine's agent has not answered",
      each(({ silentSeconds }) => silentSeconds),
    ),
    counter(
      "segments_total",
      "Files that were made of the machine's recording",
      each(({ segments }) => segments),
    ),
    gauge(
      "spool_bytes",
      "Trace data that was received and is in no file yet",
      each(({ spoolBytes }) => spoolBytes),
    ),
    gauge("disk_bytes", "All that lies in the recorder's directory", [{ labels: { session }, value: diskBytes }]),
    counter(
      "snapshots_total",
      "Snapshots that were taken, by what asked for them",
      Object.entries(snapshots).map(([trigger, value]) => ({ labels: { session, trigger }, value })),
    ),
  ];
}

function received({ directory: session, machines }: ControlStatus, perCpu: boolean): Sample[] {
  return machines.flatMap(({ name: domain, receivedBytes, cpus }): Sample[] =>
    perCpu
      ? cpus.map((one) => ({ labels: { session, domain, cpu: one.cpu }, value: one.receivedBytes }))
      : [{ labels: { session, domain }, value: receivedBytes }],
  );
}

function lost({ directory: session, machines }: ControlStatus, perCpu: boolean): Sample[] {
  return machines.flatMap(({ name: domain, lost: { overrun, dropped, transit }, cpus }): Sample[] => [
    ...(perCpu ? cpus : [{ overrun, dropped }]).flatMap((one) =>
      (["overrun", "dropped"] as const).map((reason) => ({
        labels: { session, domain, ...("cpu" in one ? { cpu: one.cpu } : {}), reason },
        value: one[reason],
      })),
    ),
    // Of which CPU is not known before the recording has ended.
    { labels: { session, domain, reason: "transit" }, value: transit },
  ]);
}

function counter(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name, type: "counter", help, samples };
}

function gauge(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name, type: "gauge", help, samples };
}

function metricText({ name, type, help, samples }: Metric): string {
  if (samples.length === 0) return "";
  const lines = samples.map(({ labels, value }) => {
    const texts = Object.entries(labels).map(([label, text]) => `${label}="${escaped(`${text}`)}"`);
    return `traceagent_${name}{${texts.join(",")}} ${value}\n`;
  });
  return `# HELP traceagent_${name} ${help}\n# TYPE traceagent_${name} ${type}\n${lines.join("")}`;
}

/** Of a label's value, which may be any UTF-8. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll("\\", String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll("\n", String.raw`\n`);
}
