// SPDX-License-Identifier: Apache-2.0
/**
 * Pictures of the console's pages in both themes, and of each on a phone, by shot.mjs (whose settings it takes):
 *
 *   node ui/tests/screenshots.mjs FOLDER [PAGE...]
 *
 * The exit code is 1 when a page reported an error: then its picture is there all the same.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const SHOT = new URL("shot.mjs", import.meta.url).pathname;
const PHONE = 390;
const DESK = 1440;
const BETWEEN_MS = Number(process.env.SHOT_BETWEEN_MS ?? 5000); // an account has 60 requests a minute, and a page asks several

const [folder, ...chosen] = process.argv.slice(2);
if (!folder) throw new Error("usage: node screenshots.mjs FOLDER [PAGE...]");

/** The sidebar's pages, as ui/src/app/nav.ts lists them. */
function pagesOfTheSidebar() {
  const source = readFileSync(new URL("../src/app/nav.ts", import.meta.url), "utf8");
  const paths = [...source.matchAll(/\bpath: "(\/[^"]*)"/g)].map((match) => match[1]);
  if (paths.length === 0) throw new Error("ui/src/app/nav.ts names no pages");
  return paths;
}

/** With somebody's page, where there is anybody. */
async function pageOfADevice() {
  const base = process.env.MUSTER_CONSOLE;
  const file = process.env.MUSTER_PASSWORD_FILE;
  if (!base || !file) return [];
  const ask = async (path, options = {}) => {
    const answer = await fetch(base + path, options);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  };
  const { access_token: token } = await ask("/api/auth/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username: process.env.MUSTER_USER ?? "admin", password: readFileSync(file, "utf8").trim() }),
  });
  const headers = { Authorization: `Bearer ${token}` };
  const { devices } = await ask("/admin/devices?limit=1", { headers });
  await ask("/api/auth/logout", { method: "POST", headers });
  return devices.map((device) => `/devices/${device.id}`);
}

const nameOf = (path) => path.replaceAll("/", " ").trim().replaceAll(" ", "-") || "overview";

function shoot(path, theme, width, extra = {}) {
  const out = join(folder, `${extra.SHOT_SIGNED_OUT ? "sign-in" : nameOf(path)}-${width === PHONE ? "phone-" : ""}${theme}.png`);
  const done = spawnSync(process.execPath, [SHOT, path, out, theme, String(width)], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...extra },
  });
  return done.status === 0;
}

mkdirSync(folder, { recursive: true });
let wrong = 0;
const shots = [];
for (const path of chosen.length ? chosen : [...pagesOfTheSidebar(), ...(await pageOfADevice())])
  shots.push([path, "light", DESK], [path, "dark", DESK], [path, "light", PHONE]);
if (!chosen.length) for (const theme of ["light", "dark"]) shots.push(["/", theme, DESK, { SHOT_SIGNED_OUT: "1" }]);
for (const [index, shot] of shots.entries()) {
  if (index > 0) await sleep(BETWEEN_MS);
  if (!shoot(...shot)) wrong += 1;
}
console.log(`${shots.length} pictures in ${folder}${wrong ? `; ${wrong} pages reported errors` : ""}`);
process.exitCode = wrong ? 1 : 0;
