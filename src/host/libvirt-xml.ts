/** The libvirt devices of a plan (formatdomain: controllers and channels), for the <devices> part of a domain. */
import type { Transport } from "./guest-directory.ts";
import { maxPorts, type PlannedPort, type SetupPlan, vectors } from "./setup-plan.ts";

/** Index 0 is left to the channels that libvirt gives a domain itself (guest agent, SPICE). */
export const firstControllerIndex = 1;

export function controllerXml(index: number): string {
  return `<controller type='virtio-serial' index='${index}' ports='${maxPorts}' vectors='${vectors}'/>\n`;
}

/** `controllerIndex` is the one that the port's device has in the domain. */
export function channelXml(port: PlannedPort, directory: string, transport: Transport, controllerIndex: number): string {
  const path = escapeXml(`${directory}/${port.name}`);
  const source = transport === "fifo" ? `<source path='${path}'/>` : `<source mode='bind' path='${path}.sock'/>`;
  return [
    `<channel type='${transport === "fifo" ? "pipe" : "unix"}'>`,
    `  ${source}`,
    `  <target type='virtio' name='${port.name}'/>`,
    `  <address type='virtio-serial' controller='${controllerIndex}' bus='0' port='${port.number}'/>`,
    `</channel>\n`,
  ].join("\n");
}

export function libvirtXml(plan: SetupPlan, directory: string, transport: Transport): string {
  const controllers = Array.from({ length: plan.controllers }, (_, index) => controllerXml(firstControllerIndex + index));
  const channels = plan.ports.map((port) => channelXml(port, directory, transport, firstControllerIndex + port.controller));
  return [...controllers, ...channels].join("");
}

function escapeXml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;", '"': "&quot;" };
  return text.replaceAll(/[&<>'"]/g, (char) => entities[char] ?? char);
}
