/** One request: who asks, what is tried again, and what cannot be had. */
import { PolyphonyProblem } from "./problem.js";
import type { paths } from "./schema.js";

/** A key or user token, or what gets one; asked before every request, so that a token can be renewed. */
export type Credential = string | (() => string | Promise<string>);

export interface TransportOptions {
  /** Where the server is, such as `https://feed.example.org`. */
  baseUrl: string;
  /** A user token (browsers, apps) or a server key (backends). */
  token?: Credential;
  /** For tests and for runtimes without a global one. */
  fetch?: typeof fetch;
  /** How often a request that changes nothing is tried again while the server is away. Default 2. */
  retries?: number;
  /** First pause between two tries, in milliseconds; it doubles. Default 250. */
  backoffMs?: number;
  /** Ends every request when it fires. */
  signal?: AbortSignal;
}

export type Method = "get" | "put" | "post" | "delete";
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never;
}[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer Op> ? Op : never;
type ParametersOf<Op> = Op extends { parameters: infer All } ? All : never;
type Part<Op, Name extends string> = ParametersOf<Op> extends { [N in Name]?: infer Values } ? Exclude<Values, undefined> : never;
type BodyOf<Op> = Op extends { requestBody: { content: { "application/json": infer Body } } } ? Body : never;
type JsonOf<R> = R extends { content: infer Content } ? Content[keyof Content] : undefined;
type SuccessOf<Op> = Op extends { responses: infer Rs } ? { [S in keyof Rs]: S extends 200 | 201 | 202 | 204 ? JsonOf<Rs[S]> : never }[keyof Rs] : never;
/** What an operation answers when it succeeds. */
export type Answer<P extends keyof paths, M extends Method> = SuccessOf<Operation<P, M>>;

export interface CallOptions<P extends keyof paths, M extends Method> {
  path?: Part<Operation<P, M>, "path">;
  query?: Part<Operation<P, M>, "query">;
  body?: BodyOf<Operation<P, M>>;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Lets the browser finish the request after the page is gone; bodies up to 64 KiB. */
  keepalive?: boolean;
}

/** A request that was made no answer of: no network, no server. */
export class PolyphonyUnreachable extends Error {
  override readonly name = "PolyphonyUnreachable";
}

const MAX_PAUSE_MS = 30_000;

export class Transport {
  readonly baseUrl: string;
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.baseUrl = options.baseUrl.replace(/\/+$/, "");
  }

  get isAnonymous(): boolean {
    return this.#options.token === undefined;
  }

  /** Any operation of the API, with the types of its document. Throws {@link PolyphonyProblem} and {@link PolyphonyUnreachable}. */
  async call<M extends Method, P extends PathOf<M>>(method: M, path: P, options: CallOptions<P, M> = {}): Promise<Answer<P, M>> {
    const signal = joined(options.signal, this.#options.signal);
    const url = this.baseUrl + filled(path, options.path as Record<string, unknown> | undefined, options.query as Record<string, unknown> | undefined);
    // What changes nothing may be asked again; so may events, whose ids the caller keeps.
    const tries = 1 + (method === "get" || (path as string) === "/v1/feed" ? this.#options.retries ?? 2 : 0);
    for (let attempt = 0; ; attempt += 1) {
      try {
        return (await this.#once(method, url, options.body, options.headers, signal, options.keepalive)) as Answer<P, M>;
      } catch (error) {
        signal?.throwIfAborted();
        if (attempt + 1 >= tries || !isTemporary(error)) throw error;
        await pause(pauseMs(attempt, error, this.#options.backoffMs ?? 250), signal);
      }
    }
  }

  async #once(method: Method, url: string, body: unknown, more: Record<string, string> | undefined, signal: AbortSignal | undefined, keepalive = false): Promise<unknown> {
    const headers: Record<string, string> = { accept: "application/json", ...more };
    const token = typeof this.#options.token === "function" ? await this.#options.token() : this.#options.token;
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    // `null` where a field is left out: the server takes both, and neither is sent.
    const text = body === undefined ? undefined : JSON.stringify(body);
    if (text !== undefined) headers["content-type"] = "application/json";
    const init: RequestInit = { method: method.toUpperCase(), headers, keepalive, credentials: "omit", referrerPolicy: "no-referrer" };
    if (text !== undefined) init.body = text;
    if (signal !== undefined) init.signal = signal;
    let response: Response;
    try {
      response = await (this.#options.fetch ?? fetch)(url, init);
    } catch (error) {
      signal?.throwIfAborted();
      throw new PolyphonyUnreachable(`${this.baseUrl} cannot be reached`, { cause: error });
    }
    if (!response.ok) throw await PolyphonyProblem.of(response);
    if (response.status === 204) return undefined;
    const type = response.headers.get("content-type") ?? "";
    return type.includes("json") ? await response.json() : await response.text();
  }
}

function filled(path: string, values: Record<string, unknown> = {}, query: Record<string, unknown> = {}): string {
  const place = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(values[name])));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) search.set(name, String(value));
  }
  return search.size > 0 ? `${place}?${search}` : place;
}

/** Whether trying again can help. */
export function isTemporary(error: unknown): boolean {
  return error instanceof PolyphonyUnreachable || (error instanceof PolyphonyProblem && error.isTemporary);
}

/** What the server asks for, else a doubling pause; in milliseconds. */
export function pauseMs(attempt: number, error: unknown, firstMs: number): number {
  const asked = error instanceof PolyphonyProblem ? error.retryAfter : undefined;
  return Math.min(asked !== undefined ? asked * 1_000 : firstMs * 2 ** attempt, MAX_PAUSE_MS);
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Fires when one of both does. `AbortSignal.any` is not in every browser that is served. */
function joined(one: AbortSignal | undefined, other: AbortSignal | undefined): AbortSignal | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const both = new AbortController();
  for (const signal of [one, other]) {
    if (signal.aborted) both.abort(signal.reason);
    else signal.addEventListener("abort", () => both.abort(signal.reason), { once: true, signal: both.signal });
  }
  return both.signal;
}
