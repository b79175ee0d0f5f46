/** What people did, on its way to the server: collected, sent in batches, sent again under the same ids, and saved from a closing page. */
import { PolyphonyProblem } from "./problem.js";
import { isTemporary, pauseMs, type Transport } from "./transport.js";
import type { EventsAnswer, EventType, FeedEvent } from "./types.js";

/** An event; its id and time are added. */
export interface NewEvent {
  type: EventType;
  /** The item's id. */
  item: string;
  /** For hide, more_like and less_like. */
  scope?: "item" | "topic" | "creator" | "source";
  /** Takes back the latest such act on the item. */
  undo?: boolean;
  feed_id?: string;
  /** The item's `track`, as the feed gave it. */
  track?: string;
  position?: number;
  visible_ms?: number;
  /** Who did it, with a server key. */
  user?: string;
}

export type QueuedEvent = NewEvent & { id: string; at: string };

export interface EventQueueOptions {
  /** Longest time an event waits, in milliseconds. Default 5000. */
  flushAfterMs?: number;
  /** Most events that wait; the oldest are given up beyond it. Default 10000. */
  maxQueued?: number;
  /** Keeps what was not sent, such as `localStorage`. Without it a closed page sends what it can. */
  storage?: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  /** Name of the entry in `storage`. Default `polyphony.events`. */
  storageKey?: string;
  /** First pause after a failure, in milliseconds; it doubles, up to 30 s. Default 1000. */
  backoffMs?: number;
  /** Of events that the server did not take or that were given up. */
  onRejected?: (rejected: { event: QueuedEvent; reason: string }[]) => void;
  now?: () => Date;
}

/** Below the 64 KiB that browsers allow all requests of a closing page together. */
const MAX_BATCH_BYTES = 48 * 1_024;
/** Most that the server takes at once. */
const MAX_BATCH_EVENTS = 1_000;

const encoder = new TextEncoder();

export class EventQueue {
  readonly #transport: Transport;
  readonly #options: EventQueueOptions;
  readonly #user: string | undefined;
  #waiting: QueuedEvent[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<void> | undefined;
  #failures = 0;
  #unlisten: (() => void) | undefined;

  /** `user`: whom a server key speaks for. */
  constructor(transport: Transport, options: EventQueueOptions = {}, user?: string) {
    this.#transport = transport;
    this.#options = options;
    this.#user = user;
    this.#waiting = this.#restored();
    this.#listen();
    if (this.#waiting.length > 0) this.#schedule(0);
  }

  /** Events that the server has not confirmed. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** Adds an event and returns it with its id; it is sent with others soon. */
  add(event: NewEvent): QueuedEvent {
    const now = this.#options.now?.() ?? new Date();
    const queued: QueuedEvent = { ...(this.#user === undefined ? {} : { user: this.#user }), ...event, id: `ev_${uuid()}`, at: now.toISOString() };
    this.#waiting.push(queued);
    const surplus = this.#waiting.length - (this.#options.maxQueued ?? 10_000);
    if (surplus > 0) this.#giveUp(this.#waiting.splice(0, surplus), "more events waited than are kept");
    this.#keep();
    if (sizeOf(this.#waiting) >= MAX_BATCH_BYTES) void this.flush().catch(() => undefined);
    else this.#schedule(this.#options.flushAfterMs ?? 5_000);
    return queued;
  }

  /** Sends everything that waits now. Rejects when it cannot be sent; it stays queued then and is tried again. */
  async flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      this.#sending ??= this.#sendOne().finally(() => {
        this.#sending = undefined;
      });
      await this.#sending;
    }
  }

  /** Sends what waits and stops listening to the page. */
  async close(): Promise<void> {
    this.#unlisten?.();
    try {
      await this.flush();
    } finally {
      clearTimeout(this.#timer);
    }
  }

  /** For a page that goes: every batch at once, without waiting for an answer. */
  flushOnHide(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let rest = this.#waiting;
    let budget = MAX_BATCH_BYTES;
    while (rest.length > 0 && budget > 0) {
      const batch = firstBatch(rest, budget);
      if (batch.length === 0) break;
      rest = rest.slice(batch.length);
      budget -= sizeOf(batch);
      this.#sendUnheard(batch);
    }
  }

  /** Without a token `sendBeacon` will do. It can set no header, so with one it is a request that outlives the page. */
  #sendUnheard(batch: QueuedEvent[]): void {
    const body = JSON.stringify({ events: batch });
    const canBeacon = this.#transport.isAnonymous && typeof navigator !== "undefined" && typeof navigator.sendBeacon === "function";
    if (canBeacon && navigator.sendBeacon(`${this.#transport.baseUrl}/v1/events`, new Blob([body], { type: "text/plain" }))) {
      this.#confirm(batch);
      return;
    }
    // What is not confirmed stays: sent twice it counts once, for its ids are the same.
    const sent = this.#transport.call("post", "/v1/events", { body: { events: batch as FeedEvent[] }, keepalive: true });
    sent.then((answer) => this.#settle(batch, answer)).catch(() => undefined);
  }

  async #sendOne(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = firstBatch(this.#waiting, MAX_BATCH_BYTES);
    try {
      const answer = await this.#transport.call("post", "/v1/events", { body: { events: batch as FeedEvent[] } });
      this.#failures = 0;
      this.#settle(batch, answer);
    } catch (error) {
      if (error instanceof PolyphonyProblem && !isTemporary(error)) {
        this.#confirm(batch);
        this.#giveUp(batch, error.message);
      } else {
        this.#schedule(pauseMs(this.#failures, error, this.#options.backoffMs ?? 1_000), true);
        this.#failures += 1;
      }
      throw error;
    }
    if (this.#waiting.length > 0) this.#schedule(this.#options.flushAfterMs ?? 5_000);
  }

  #settle(batch: QueuedEvent[], answer: EventsAnswer): void {
    this.#confirm(batch);
    const rejected = answer.rejected.flatMap(({ index, detail }) => {
      const event = batch[index];
      return event === undefined ? [] : [{ event, reason: detail }];
    });
    if (rejected.length > 0) this.#options.onRejected?.(rejected);
  }

  #giveUp(events: QueuedEvent[], reason: string): void {
    this.#options.onRejected?.(events.map((event) => ({ event, reason })));
  }

  #confirm(batch: QueuedEvent[]): void {
    const ids = new Set(batch.map((event) => event.id));
    this.#waiting = this.#waiting.filter((event) => !ids.has(event.id));
    this.#keep();
  }

  #schedule(ms: number, again = false): void {
    if (again) clearTimeout(this.#timer);
    else if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.flush().catch(() => undefined);
    }, ms);
    // In Node a waiting event keeps no process alive: `close` sends it.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  #listen(): void {
    if (typeof document === "undefined" || typeof window === "undefined") return;
    const hidden = (): void => {
      if (document.visibilityState === "hidden") this.flushOnHide();
    };
    const gone = (): void => this.flushOnHide();
    document.addEventListener("visibilitychange", hidden);
    window.addEventListener("pagehide", gone);
    this.#unlisten = () => {
      document.removeEventListener("visibilitychange", hidden);
      window.removeEventListener("pagehide", gone);
    };
  }

  #keep(): void {
    const { storage } = this.#options;
    const key = this.#options.storageKey ?? "polyphony.events";
    try {
      if (this.#waiting.length > 0) storage?.setItem(key, JSON.stringify(this.#waiting));
      else storage?.removeItem(key);
    } catch {
      // A full storage loses no event that the page still holds.
    }
  }

  #restored(): QueuedEvent[] {
    try {
      const kept: unknown = JSON.parse(this.#options.storage?.getItem(this.#options.storageKey ?? "polyphony.events") ?? "[]");
      return Array.isArray(kept) ? (kept as QueuedEvent[]).filter((event) => typeof event?.id === "string") : [];
    } catch {
      return [];
    }
  }
}

function sizeOf(events: QueuedEvent[]): number {
  return encoder.encode(JSON.stringify({ events })).length;
}

/** As many of the first events as fit, at least one. */
function firstBatch(events: QueuedEvent[], maxBytes: number): QueuedEvent[] {
  let bytes = '{"events":[]}'.length;
  const batch: QueuedEvent[] = [];
  for (const event of events.slice(0, MAX_BATCH_EVENTS)) {
    bytes += encoder.encode(JSON.stringify(event)).length + 1;
    if (bytes > maxBytes && batch.length > 0) break;
    batch.push(event);
  }
  return batch;
}

/** `crypto.randomUUID` is missing on pages served without TLS. */
function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
