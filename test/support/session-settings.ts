/** Settings of a guest that a session changes and must give back. */
import { existsSync } from "node:fs";
import { type AgentFixture, notesFile } from "./agent-fixture.ts";

export class SessionSettings {
  readonly #fixture: AgentFixture;
  /** As the kernel tells them: it rounds the size up to whole pages. */
  before: Record<string, string> = {};

  constructor(fixture: AgentFixture) {
    this.#fixture = fixture;
  }

  /** What a user of the guest had there, and what no session may change for good. */
  setUp(): void {
    const { tracefs } = this.#fixture;
    tracefs.write("set_event", "irq:irq_handler_entry");
    tracefs.write("buffer_size_kb", "512");
    tracefs.write("trace_clock", "global");
    this.before = this.now;
  }

  get now(): Record<string, string> {
    const read = (file: string): string => this.#fixture.tracefs.read(file);
    const clock = /\[(.*)\]/.exec(read("trace_clock"))?.[1] ?? "";
    return { events: read("set_event"), size: read("buffer_size_kb"), clock, tracing: read("tracing_on") };
  }

  get text(): string {
    return JSON.stringify(this.now);
  }

  get areAsBefore(): boolean {
    return Bun.deepEquals(this.now, this.before);
  }

  /** In the agent's notes, for one that comes after it. */
  get areNoted(): boolean {
    return existsSync(notesFile(this.#fixture.tracefs.path));
  }
}
