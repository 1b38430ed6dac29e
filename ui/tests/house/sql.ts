// SPDX-License-Identifier: Apache-2.0
/** What no request can make, such as the past, is written straight into an appliance's own PostgreSQL. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Appliance } from "./appliance";

export function sql(appliance: Appliance, statements: string): void {
  const { socket_dir: host } = JSON.parse(readFileSync(join(appliance.dataDir, "run.json"), "utf8")) as { socket_dir?: string };
  if (!host) throw new Error("this appliance has no PostgreSQL of its own");
  execFileSync("psql", ["-h", host, "-U", "muster", "-d", "muster", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"], {
    input: statements,
    stdio: ["pipe", "ignore", "inherit"],
  });
}
