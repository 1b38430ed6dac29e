// SPDX-License-Identifier: Apache-2.0
/** How the console comes to the browser: from the appliance alone, kept as long as it may be, under a strict policy. */
import type { APIRequestContext, APIResponse } from "@playwright/test";
import { expect, test } from "../house/journey";
import { open, PLACES, settled } from "../house/pages";

test.use({ house: { name: "delivery" } });

const HELD_BACK = /Content Security Policy/;

test("no request leaves the appliance, whatever page is opened", async ({ page, context, appliance, complaints }) => {
  complaints.allow(HELD_BACK); // the attempt at the end
  const outside: string[] = [];
  await context.route(
    (url) => url.origin !== appliance.url && url.protocol !== "data:",
    (route) => {
      outside.push(route.request().url());
      return route.abort();
    },
  );
  context.on("page", (other) => outside.push(`a window: ${other.url()}`));
  const device = await appliance.register("at home");
  await appliance.heartbeat(device, { battery: 50 });
  for (const view of PLACES) await open(page, view, device.device_id);
  expect(outside).toEqual([]);
  // and if one tried: the policy says no before a request is made
  const tried = await page.evaluate(() =>
    fetch("https://example.com/").then(
      () => "went out",
      () => "held back",
    ),
  );
  expect(tried).toBe("held back");
  expect(outside).toEqual([]);
});

async function assetsOf(request: APIRequestContext): Promise<{ index: APIResponse; script: string; style: string; font: string }> {
  const index = await request.get("/", { headers: { Accept: "text/html" } });
  const html = await index.text();
  const named = (pattern: RegExp, text: string) => {
    const found = pattern.exec(text)?.[1];
    if (!found) throw new Error(`nothing like ${String(pattern)} in ${text.slice(0, 400)}`);
    return found;
  };
  const style = named(/href="(\/assets\/[^"]+\.css)"/, html);
  const css = await (await request.get(style)).text();
  return { index, style, script: named(/src="(\/assets\/[^"]+\.js)"/, html), font: named(/url\((\/assets\/[^)]+\.woff2)\)/, css) };
}

test("what has a hash in its name is kept for good; the index is asked for each time, and costs nothing then", async ({ request }) => {
  const { index, script, style, font } = await assetsOf(request);
  for (const path of [script, style, font]) {
    const answer = await request.get(path);
    expect(answer.status(), path).toBe(200);
    expect(answer.headers()["cache-control"], path).toMatch(/public, max-age=31536000, immutable/);
  }
  expect(index.headers()["cache-control"]).toBe("no-cache");
  const etag = index.headers()["etag"] ?? "";
  expect(etag).toMatch(/^"[0-9a-f]+"$/);
  const again = await request.get("/", { headers: { Accept: "text/html", "If-None-Match": etag } });
  expect(again.status()).toBe(304);
  expect(await again.body()).toHaveLength(0);
});

test("each browser gets the smallest form it knows", async ({ request }) => {
  const { script, style } = await assetsOf(request);
  for (const path of [script, style]) {
    const form = async (accepted: string) => {
      const answer = await request.get(path, { headers: { "Accept-Encoding": accepted } });
      expect(answer.headers()["vary"] ?? "", path).toMatch(/accept-encoding/i);
      return {
        encoding: answer.headers()["content-encoding"],
        length: Number(answer.headers()["content-length"]),
        text: await answer.text(),
      };
    };
    const [br, gzip, plain] = [await form("gzip, br"), await form("gzip"), await form("identity")];
    expect([br.encoding, gzip.encoding, plain.encoding], path).toEqual(["br", "gzip", undefined]);
    expect(br.length).toBeLessThan(gzip.length);
    expect(gzip.length).toBeLessThan(plain.length / 2);
    expect(br.text).toBe(plain.text);
    expect(gzip.text).toBe(plain.text);
  }
});

test("the policy knows no inline script or style, and nothing of elsewhere", async ({ request, page, complaints }) => {
  complaints.allow(HELD_BACK);
  const { index } = await assetsOf(request);
  const headers = index.headers();
  const policy = new Map(
    (headers["content-security-policy"] ?? "").split(";").map((part) => {
      const [name = "", ...sources] = part.trim().split(/\s+/);
      return [name, sources];
    }),
  );
  expect(policy.get("default-src")).toEqual(["'none'"]);
  expect(policy.get("script-src")).toEqual(["'self'"]);
  expect(policy.get("style-src")).toEqual(["'self'"]);
  expect(policy.get("frame-ancestors")).toEqual(["'none'"]);
  expect([...policy.values()].flat().filter((source) => /unsafe|https?:|\*/.test(source))).toEqual([]);
  expect(headers["x-content-type-options"]).toBe("nosniff");
  expect(headers["referrer-policy"]).toBe("no-referrer");
  await page.goto("/");
  await settled(page);
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "globalThis.smuggled = true";
    document.head.append(script);
    return "smuggled" in globalThis;
  });
  expect(ran).toBe(false);
});
