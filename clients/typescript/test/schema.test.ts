/** The types are those of the API's document. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";

test("src/schema.ts is what openapi.json says now", async () => {
  const folder = await mkdtemp(join(tmpdir(), "polyphony-schema-"));
  const made = join(folder, "schema.ts");
  const kit = fileURLToPath(new URL("../..", import.meta.url));
  await promisify(execFile)(process.execPath, [join(kit, "node_modules/openapi-typescript/bin/cli.js"), join(kit, "../../openapi.json"), "--output", made, "--alphabetize"]);
  const [fresh, committed] = await Promise.all([readFile(made, "utf8"), readFile(join(kit, "src/schema.ts"), "utf8")]);
  await rm(folder, { recursive: true });
  assert.ok(fresh === committed, "src/schema.ts is out of date: run `npm run generate`");
});
