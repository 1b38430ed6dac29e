// SPDX-License-Identifier: Apache-2.0
/**
 * Memory stays flat while live updates go on: the overview, then the devices. A short run; MUSTER_JOURNEY_SOAK=1h takes longer
 * and tells its numbers.
 */
import { growth, LiveCount, watch } from "../house/heap";
import { expect, test } from "../house/journey";
import { settled } from "../house/pages";
import { load } from "../house/program";

test.use({ house: { name: "memory" }, trace: "off" }); // a trace keeps each change of the page

const DEVICES = 1000;
const SPEED_MAX = 300; // a heartbeat a device each second
/** The generator's clocks begin six days ago, and it ends when they have come to now. */
const speedFor = (ms: number) => Math.min(SPEED_MAX, Math.floor((5 * 86_400_000) / ms));
const SAMPLES = 15;
const SHORT_MS = 30_000;
const UNITS: Record<string, number> = { s: 1000, min: 60_000, m: 60_000, h: 3_600_000 };

function soakMs(): number {
  const given = process.env["MUSTER_JOURNEY_SOAK"];
  if (!given) return SHORT_MS;
  const [, count = "", unit = ""] = /^(\d+)(s|m|min|h)$/.exec(given) ?? [];
  const ms = Number(count) * (UNITS[unit] ?? Number.NaN);
  if (!ms) throw new Error(`MUSTER_JOURNEY_SOAK is a time such as 20min or 1h, not "${given}"`);
  return ms;
}

/**
 * Of what came as text a page that forgets no message keeps about two thirds (texts are shared); one that is sound keeps the
 * fleet's last five minutes, a point a second, and what a collection left over. Nodes and listeners come and go with rows and alerts:
 * some, but not one for each of the hundreds of messages.
 */
const KEPT_SHARE_MAX = 0.35;
const NODES_MAX = 150;
const LISTENERS_MAX = 60;

test("an open page keeps nothing of what went by", async ({ page, appliance }) => {
  const wholeMs = soakMs();
  test.setTimeout(wholeMs + 120_000);
  const duration = `${Math.ceil(wholeMs / 1000) + 90}s`;
  const running = load(appliance, "compressed", { devices: DEVICES, interval: "5m", speed: speedFor(wholeMs + 90_000), duration, "keep-alive": true });
  try {
    const live = new LiveCount(page);
    for (const path of ["/", "/devices"]) {
      await page.goto(path);
      await settled(page);
      await expect(page.getByTestId("connection")).toHaveText("Live");
      const samples = await watch(page, live, SAMPLES, wholeMs / 2 / SAMPLES);
      const found = growth(samples);
      const said = `${path}: ${JSON.stringify({ ...found, last: samples.at(-1) })}`;
      if (process.env["MUSTER_JOURNEY_SOAK"]) console.log(said);
      expect(found.receivedBytes, `${said}: enough came to tell`).toBeGreaterThan(200_000);
      expect(found.keptShare, said).toBeLessThan(KEPT_SHARE_MAX);
      expect(found.nodes, said).toBeLessThan(NODES_MAX);
      expect(found.listeners, said).toBeLessThan(LISTENERS_MAX);
    }
  } finally {
    await running.stop();
  }
});
