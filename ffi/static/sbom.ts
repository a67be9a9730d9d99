/** The contents of the executable as a CycloneDX 1.5 document (https://cyclonedx.org/docs/1.5/json/). */
import { createHash } from "node:crypto";
import type { Component, Contents } from "./contents.ts";

/** The document as text. The same executable always gives the same text: it has no date, and its number is a hash. */
export function sbom(contents: Contents, version: string, sha256: string): string {
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.5.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    serialNumber: `urn:uuid:${uuidOf(sha256)}`,
    version: 1,
    metadata: {
      component: {
        type: "application",
        "bom-ref": "trace-agent",
        name: "trace-agent",
        version,
        licenses: [{ license: { id: "MIT" } }],
        hashes: [{ alg: "SHA-256", content: sha256 }],
        properties: [{ name: "trace-agent:machine", value: contents.machine }],
      },
    },
    components: contents.components.map(componentEntry),
    dependencies: [{ ref: "trace-agent", dependsOn: contents.components.map((component) => component.purl) }],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function componentEntry(component: Component): object {
  return {
    type: "library",
    "bom-ref": component.purl,
    name: component.name,
    version: component.version,
    description: component.note,
    licenses: [{ expression: component.license }],
    purl: component.purl,
    externalReferences: [{ type: "distribution", url: component.source.split(" ")[0] }],
    ...(component.files.length === 0 ? {} : { components: component.files.map(fileEntry) }),
  };
}

function fileEntry(file: { name: string; sha256: string }): object {
  return { type: "file", name: file.name, hashes: [{ alg: "SHA-256", content: file.sha256 }] };
}

/** A version 8 UUID (RFC 9562: custom) from the first bytes of a hash. */
function uuidOf(sha256: string): string {
  const digest = createHash("sha256").update(sha256).digest("hex");
  const parts = [digest.slice(0, 8), digest.slice(8, 12), `8${digest.slice(13, 16)}`, `8${digest.slice(17, 20)}`];
  return [...parts, digest.slice(20, 32)].join("-");
}
