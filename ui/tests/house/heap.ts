// SPDX-License-Identifier: Apache-2.0
/** What a page holds, sampled while live messages go on, and whether it grows. */
import type { CDPSession, Page } from "@playwright/test";
import { until } from "./until";

export interface Sample {
  heapBytes: number;
  nodes: number;
  listeners: number;
  /** That the live channel had brought by then. */
  receivedBytes: number;
}

/** Counts what the live channel brings; before the page is opened. */
export class LiveCount {
  bytes = 0;
  deltas = 0;

  constructor(page: Page) {
    page.on("websocket", (socket) =>
      socket.on("framereceived", ({ payload }) => {
        const text = String(payload);
        this.bytes += text.length;
        if (text.includes('"type":"delta"')) this.deltas += 1;
      }),
    );
  }
}

async function sample(devtools: CDPSession, live: LiveCount): Promise<Sample> {
  const receivedBytes = live.bytes;
  await devtools.send("HeapProfiler.collectGarbage");
  await devtools.send("HeapProfiler.collectGarbage"); // what the first one's finalizers let go
  const { usedSize } = await devtools.send("Runtime.getHeapUsage");
  const { metrics } = await devtools.send("Performance.getMetrics");
  const metric = (name: string) => metrics.find((one) => one.name === name)?.value ?? 0;
  return { heapBytes: usedSize, nodes: metric("Nodes"), listeners: metric("JSEventListeners"), receivedBytes };
}

/** `count` samples, at least a delta and `apartMs` between two. */
export async function watch(page: Page, live: LiveCount, count: number, apartMs: number): Promise<Sample[]> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable");
  const samples: Sample[] = [];
  while (samples.length < count) {
    const { deltas } = live;
    const due = Date.now() + apartMs;
    await until("the next live message", () => live.deltas > deltas && Date.now() >= due, apartMs + 30_000);
    samples.push(await sample(devtools, live));
  }
  await devtools.detach();
  return samples;
}

export interface Growth {
  /** Bytes kept of each byte that came in between. */
  keptShare: number;
  heapBytes: number;
  receivedBytes: number;
  nodes: number;
  listeners: number;
}

const median = (values: number[]) => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;

/** From the second third to the last one: the first is for what a page gathers once. Medians, for a sample may fall into a render. */
export function growth(samples: Sample[]): Growth {
  const third = Math.floor(samples.length / 3);
  const from = samples.slice(third, 2 * third);
  const to = samples.slice(2 * third, 3 * third);
  const grown = (name: keyof Sample) => median(to.map((one) => one[name])) - median(from.map((one) => one[name]));
  const [heapBytes, receivedBytes] = [grown("heapBytes"), grown("receivedBytes")];
  return { keptShare: heapBytes / receivedBytes, heapBytes, receivedBytes, nodes: grown("nodes"), listeners: grown("listeners") };
}
