/** The libvirt devices of a plan (formatdomain: controllers and channels), for the <devices> part of a domain. */
import { hostEnd, type HostTransport } from "../../transport/transports.ts";
import { maxPorts, type PlannedPort, type SetupPlan, vectors } from "./setup-plan.ts";

/** Index 0 is left to the channels that libvirt itself adds to a domain (guest agent, SPICE). */
export const firstControllerIndex = 1;

export function controllerXml(index: number): string {
  return `<controller type='virtio-serial' index='${index}' ports='${maxPorts}' vectors='${vectors}'/>\n`;
}

/** `controllerIndex`: of the port's device within the domain. */
export function channelXml(
  port: PlannedPort,
  directory: string,
  transport: HostTransport,
  controllerIndex: number,
): string {
  const { chardev } = hostEnd(transport);
  return [
    `<channel type='${chardev.libvirtType}'>`,
    `  <source ${chardev.libvirtSource(escapeXml(chardev.path(`${directory}/${port.name}`)))}/>`,
    `  <target type='virtio' name='${port.name}'/>`,
    `  <address type='virtio-serial' controller='${controllerIndex}' bus='0' port='${port.number}'/>`,
    `</channel>\n`,
  ].join("\n");
}

export function libvirtXml(plan: SetupPlan, directory: string, transport: HostTransport): string {
  const controllers = Array.from({ length: plan.controllers }, (_, index) =>
    controllerXml(firstControllerIndex + index),
  );
  const channels = plan.ports.map((port) =>
    channelXml(port, directory, transport, firstControllerIndex + port.controller),
  );
  return [...controllers, ...channels].join("");
}

function escapeXml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;", '"': "&quot;" };
  return text.replaceAll(/[&<>'"]/g, (char) => entities[char] ?? char);
}
