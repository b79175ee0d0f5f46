/** A real server for a test: the binary that POLYPHONY_BINARY names, on a free port, with data of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server as HttpServer } from "node:http";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const BINARY = process.env["POLYPHONY_BINARY"] ?? fileURLToPath(new URL("../../../../target/debug/polyphony", import.meta.url));
export const SECRET = "a secret of more than thirty-two bytes";
export const SERVER_KEY = "a-server-key-of-some-length";
const PATIENCE_MS = 40_000;

export interface RunningServer {
  url: string;
  stop(): Promise<void>;
}

/** The demo's server and catalogue; `settings` are `key=value`. */
export async function start(settings: string[] = []): Promise<RunningServer> {
  const folder = await mkdtemp(join(tmpdir(), "polyphony-kit-"));
  const port = await freePort();
  // Long limits, so that a busy machine alone degrades nothing.
  const more = ["policy.retrieve.deadline=500ms", "telemetry.log_level=warn", ...settings].flatMap((setting) => ["--set", setting]);
  const child = spawn(BINARY, ["demo", "--listen", `127.0.0.1:${port}`, ...more], { cwd: folder, env: {}, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (bytes: Buffer) => (said += bytes.toString()));
  const url = `http://127.0.0.1:${port}`;
  await ready(url, child, () => said);
  return {
    url,
    async stop() {
      child.kill("SIGKILL");
      await new Promise((resolve) => (child.exitCode !== null ? resolve(undefined) : child.once("exit", resolve)));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function ready(url: string, child: ChildProcess, said: () => string): Promise<void> {
  const until = Date.now() + PATIENCE_MS;
  while (Date.now() < until) {
    if (child.exitCode !== null) throw new Error(`${BINARY} ended: ${said()}`);
    const answer = await fetch(`${url}/readyz`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${BINARY} did not become ready: ${said()}`);
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A user token, as a backend signs it. */
export function token(subject: string): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: subject, exp: Math.floor(Date.now() / 1_000) + 600 })}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

export interface Wire {
  url: string;
  /** Bodies that were passed on, in order. */
  passed: string[];
  stop(): Promise<void>;
}

/** A wire to the server that loses the first `lost` answers after the server gave them. */
export async function lossyWire(target: string, lost: number): Promise<Wire> {
  const passed: string[] = [];
  const server: HttpServer = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      void (async () => {
        const body = Buffer.concat(chunks).toString();
        passed.push(body);
        const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !["host", "connection", "content-length", "transfer-encoding"].includes(name)));
        const init = { method: request.method ?? "GET", headers: headers as Record<string, string>, ...(body ? { body } : {}) };
        const answer = await fetch(target + (request.url ?? "/"), init);
        const text = await answer.text();
        if (passed.length <= lost) {
          request.socket.destroy();
          return;
        }
        response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
        response.end(text);
      })();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    passed,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
