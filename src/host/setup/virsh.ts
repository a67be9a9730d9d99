/**
 * Adds the devices of a plan to a libvirt domain's stored definition through virsh, and removes them again.
 *
 * virsh gets an argument vector, never a shell command. Devices that the domain already has are left alone, and
 * every failure is reported, so an interrupted run can be repeated.
 */
import { writeFileSync } from "node:fs";
import { AgentError, messageOf } from "../../base/errors.ts";
import { makePrivateDirectory, removePrivateDirectory } from "../../base/private-directory.ts";
import { controlPortName, cpuOfDataPort } from "../../protocol/ports.ts";
import type { HostTransport } from "../../transport/transports.ts";
import { channelXml, controllerXml, firstControllerIndex } from "./libvirt-xml.ts";
import type { SetupPlan } from "./setup-plan.ts";

export type VirshOutcome = { done: number; unchanged: number; failures: string[] };

/** One of our channels in a domain's XML, and its controller. */
type Channel = { name: string; controller: number; xml: string };

/** Throws if the domain's devices cannot be changed at all. */
export function requireDomain(domain: string): void {
  storedXml(domain);
}

export function attachDevices(
  domain: string,
  plan: SetupPlan,
  directory: string,
  transport: HostTransport,
): VirshOutcome {
  const xml = storedXml(domain);
  const present = channelsOf(xml);
  const controllers = controllersOf(xml);
  const base = baseIndex(plan, present, controllers);
  const outcome: VirshOutcome = { done: 0, unchanged: 0, failures: [] };
  for (let controller = 0; controller < plan.controllers; controller++) {
    const index = base + controller;
    if (controllers.includes(index)) outcome.unchanged++;
    else change("attach-device", domain, `virtio-serial controller ${index}`, controllerXml(index), outcome);
    for (const port of plan.ports) {
      if (port.controller !== controller) continue;
      if (present.some(({ name }) => name === port.name)) outcome.unchanged++;
      else
        change("attach-device", domain, `channel ${port.name}`, channelXml(port, directory, transport, index), outcome);
    }
  }
  return outcome;
}

/** First the channels, then those controllers that nothing else uses. */
export function detachDevices(domain: string): VirshOutcome {
  const channels = channelsOf(storedXml(domain));
  const outcome: VirshOutcome = { done: 0, unchanged: 0, failures: [] };
  for (const { name, xml } of channels) change("detach-device", domain, `channel ${name}`, `${xml}\n`, outcome);
  if (outcome.failures.length > 0) return outcome;
  const after = storedXml(domain);
  for (const index of new Set(channels.map(({ controller }) => controller))) {
    if (index < firstControllerIndex || !controllersOf(after).includes(index)) continue;
    if (new RegExp(`<address type=['"]virtio-serial['"] controller=['"]${index}['"]`).test(after)) continue;
    change("detach-device", domain, `virtio-serial controller ${index}`, controllerXml(index), outcome);
  }
  return outcome;
}

/** The index of the plan's first controller in this domain. */
function baseIndex(plan: SetupPlan, present: readonly Channel[], controllers: readonly number[]): number {
  for (const { name, controller } of present) {
    const planned = plan.ports.find((port) => port.name === name);
    if (planned !== undefined) return controller - planned.controller;
  }
  return Math.max(firstControllerIndex, ...controllers.map((index) => index + 1));
}

function channelsOf(xml: string): Channel[] {
  const channels: Channel[] = [];
  for (const [element] of xml.matchAll(/<channel\b[^>]*>.*?<\/channel>/gs)) {
    const name = /<target\b[^>]*\bname=['"]([^'"]+)['"]/.exec(element)?.[1];
    const controller = /<address\b[^>]*\bcontroller=['"](\d+)['"]/.exec(element)?.[1];
    if (name === undefined || (name !== controlPortName && cpuOfDataPort(name) === undefined)) continue;
    channels.push({ name, controller: Number(controller ?? 0), xml: element });
  }
  return channels;
}

function controllersOf(xml: string): number[] {
  return [...xml.matchAll(/<controller\b[^>]*>/g)]
    .filter(([element]) => /\btype=['"]virtio-serial['"]/.test(element))
    .map(([element]) => Number(/\bindex=['"](\d+)['"]/.exec(element)?.[1] ?? 0));
}

function storedXml(domain: string): string {
  const { status, stdout, stderr } = virsh(["dumpxml", "--inactive", "--domain", domain]);
  if (status === 0) return stdout;
  throw new AgentError("unavailable", `cannot read libvirt domain "${domain}": ${lastLine(stderr)}`, {
    remedy: "see virsh list --all; name it with --domain where it differs from the guest's name",
  });
}

function change(
  verb: "attach-device" | "detach-device",
  domain: string,
  what: string,
  xml: string,
  outcome: VirshOutcome,
): void {
  const directory = makePrivateDirectory();
  try {
    writeFileSync(`${directory}/device.xml`, xml);
    const { status, stderr } = virsh([verb, "--config", "--domain", domain, "--file", `${directory}/device.xml`]);
    if (status === 0) outcome.done++;
    else outcome.failures.push(`${what}: ${lastLine(stderr)}`);
  } finally {
    removePrivateDirectory(directory);
  }
}

function virsh(args: string[]): { status: number | null; stdout: string; stderr: string } {
  try {
    const { exitCode, stdout, stderr } = Bun.spawnSync(["virsh", ...args], { stdin: "ignore", env: process.env });
    return { status: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
  } catch (cause) {
    throw new AgentError("unavailable", `cannot run virsh: ${messageOf(cause)}`, {
      remedy: "install libvirt-clients",
      cause,
    });
  }
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/^error: /, "") ?? ""
  );
}
