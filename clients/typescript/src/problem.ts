/** What the server answers when it did not do what was asked: RFC 9457 problem details as an error. */
import type { Fault, ProblemBody } from "./types.js";

/** An answer that is not a success. `kind` tells problems apart; `errors` names every fault of the request. */
export class PolyphonyProblem extends Error {
  override readonly name = "PolyphonyProblem";
  /** The HTTP status. */
  readonly status: number;
  /** URI of the problem's page. */
  readonly type: string;
  /** The last part of `type`, such as `invalid-parameter`. */
  readonly kind: string;
  readonly title: string;
  readonly detail: string;
  /** Short code for logs and support; empty where something in between answered. */
  readonly code: string;
  readonly errors: readonly Fault[];
  /** For the server's log. */
  readonly requestId: string | undefined;
  /** Seconds after which to try again, where the server said so. */
  readonly retryAfter: number | undefined;

  constructor(body: ProblemBody, retryAfter?: number) {
    super(`${body.title}: ${body.detail}`);
    this.status = body.status;
    this.type = body.type;
    this.kind = body.type.slice(body.type.lastIndexOf("/") + 1);
    this.title = body.title;
    this.detail = body.detail;
    this.code = body.code;
    this.errors = body.errors ?? [];
    this.requestId = body.request_id;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed later: 429 and 503, and what proxies say while a server is away. */
  get isTemporary(): boolean {
    return [429, 502, 503, 504].includes(this.status);
  }

  /** The problem an answer stands for, also where a proxy gave it and it is no problem document. */
  static async of(response: Response): Promise<PolyphonyProblem> {
    const text = await response.text();
    return new PolyphonyProblem(bodyOf(response, text), secondsOf(response.headers.get("retry-after")));
  }
}

function bodyOf(response: Response, text: string): ProblemBody {
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith("application/problem+json")) {
    try {
      return JSON.parse(text) as ProblemBody;
    } catch {
      // As any other answer that is no problem document.
    }
  }
  const title = response.statusText || "Not served";
  return { type: "about:blank", title, status: response.status, code: "", detail: `status ${response.status}` };
}

function secondsOf(header: string | null): number | undefined {
  const seconds = header === null ? Number.NaN : Number(header);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}
