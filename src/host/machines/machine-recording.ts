/** One machine of a recording of several: its run, its spool, and what becomes of them. */
import { AgentError, messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import type { SessionFile, SessionMachine, SessionRecording } from "../../trace-dat/session/session-file.ts";
import type { Spool } from "../../trace-dat/spool/spool.ts";
import { newTraceId } from "../../trace-dat/trace-id.ts";
import { record, type RecorderOptions } from "../run/recorder.ts";
import type { RecordingWatch } from "../run/recording-watch.ts";
import type { Waiting } from "../run/session.ts";
import type { Cutter } from "./cutter.ts";
import type { MachineRequest } from "./machine-request.ts";
import type { SessionDirectory } from "./session-directory.ts";

export type MachineRunOptions = Omit<RecorderOptions, "spool" | "traceId" | "show" | "showWait" | "started"> &
  Required<Pick<RecorderOptions, "whenEnded">> & {
    /** Throws an AgentError where the recorder has no room for it. */
    requireRoom: () => void;
  };

export class MachineRecording {
  readonly request: MachineRequest;
  readonly traceId = newTraceId();
  readonly entry: SessionMachine;
  /** Undefined as long as nothing is recorded. */
  recording: SessionRecording | undefined;
  spool: Spool | undefined;
  watch: RecordingWatch | undefined;
  waiting: Waiting | undefined;
  /** Why it ended, if not by request. */
  trouble: string | undefined;
  /** Why it was not recorded. */
  refused: AgentError | undefined;
  ended = false;
  readonly #directory: SessionDirectory;
  readonly #before: string | undefined;
  readonly #cutter: Cutter | undefined;
  /** Before this recording, in session.json. */
  #gap: NonNullable<SessionFile["gaps"]>[number] | undefined;

  /** `before`: why it was not recorded when it was last tried. */
  constructor(request: MachineRequest, directory: SessionDirectory, cutter?: Cutter, before?: string) {
    this.request = request;
    this.#before = before;
    this.#cutter = cutter;
    this.#directory = directory;
    this.entry = directory.machine(request.name, request.kind);
  }

  get name(): string {
    return this.request.name;
  }

  /** What is received is not for a file of its own. */
  get isCut(): boolean {
    return this.#cutter !== undefined;
  }

  get bytes(): number {
    return this.watch?.session.pump.received ?? 0;
  }

  /** Records until the run ends. Throws only what is a fault of ours. `isToldElsewhere`: of an error of all machines. */
  async run(
    options: MachineRunOptions,
    started: () => void,
    isToldElsewhere: (error: AgentError) => boolean,
  ): Promise<void> {
    const { name } = this;
    const { whenEnded } = options;
    try {
      options.requireRoom();
      this.spool = this.#directory.createSpool(name);
      const observer = this.#cutter?.join(this, this.spool);
      this.trouble = await record(this.request.guest, {
        ...options,
        ...(observer === undefined ? {} : { observer }),
        spool: this.spool,
        traceId: this.traceId,
        // A run that could not begin has no spool any more.
        whenEnded: (work) => whenEnded(async () => (this.spool === undefined ? undefined : work())),
        show: (watch) => (this.watch = watch),
        showWait: (waiting) => (this.waiting = waiting),
        started: () => {
          this.#noteGap();
          this.recording = this.#newRecording();
          delete this.entry.leftOut;
          this.#directory.note();
          started();
        },
      });
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      this.#failed(error, isToldElsewhere(error));
    } finally {
      this.ended = true;
      if (this.recording !== undefined) {
        this.recording.ended = new Date().toISOString();
        // At once: the others may go on for weeks.
        if (this.trouble !== undefined) this.recording.reason = `it ended early: ${this.trouble}`;
        this.#directory.note();
      }
    }
    if (this.trouble !== undefined) log.warn(`${name}: the recording ended early: ${this.trouble}`);
  }

  #newRecording(): SessionRecording {
    return this.#directory.newRecording(this.entry, this.traceId, this.#cutter?.openFile(this.name));
  }

  /** It was recorded before: between then and now it was not. */
  #noteGap(): void {
    const { ended, reason } = this.entry.recordings.at(-1) ?? {};
    if (ended === undefined) return;
    const gap = { machine: this.name, from: ended, to: new Date().toISOString() };
    this.#gap = { ...gap, ...(reason === undefined ? {} : { reason }) };
    (this.#directory.file.gaps ??= []).push(this.#gap);
  }

  /** Of what was received nothing stays, and session.json knows nothing of it. */
  withdraw(): void {
    this.spool?.remove();
    this.spool = undefined;
    if (this.recording === undefined) return;
    this.entry.recordings.splice(this.entry.recordings.indexOf(this.recording), 1);
    this.recording = undefined;
    const { gaps } = this.#directory.file;
    if (this.#gap !== undefined) gaps?.splice(gaps.indexOf(this.#gap), 1);
    if (gaps?.length === 0) delete this.#directory.file.gaps;
    this.#gap = undefined;
  }

  #failed(error: AgentError, isToldElsewhere: boolean): void {
    const { spool } = this;
    if (spool !== undefined && spool.streams().some(({ bytes }) => bytes > 0)) {
      this.recording ??= this.#newRecording();
      this.trouble = error.text;
      return;
    }
    this.withdraw();
    this.refused = error;
    // One that is tried again and again is told of once.
    const isNews = this.#before !== error.message && !isToldElsewhere;
    if (this.entry.recordings.length === 0) this.entry.leftOut = error.message;
    if (isNews) this.#directory.note();
    if (isNews) log.warn(`${this.name} is not recorded: ${messageOf(error)}`);
  }
}
