// SPDX-License-Identifier: Apache-2.0
/**
 * Milliseconds of processor time that each task of the page's main thread takes: a busy machine says the same as an
 * idle one. Without the browser's own tidying of memory while the page rests (V8's "memory reducer"), which it puts off
 * as soon as something is to be done.
 */
import type { Page } from "@playwright/test";

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  ts: number;
  dur?: number;
  tdur?: number;
  args: { name?: string };
}

/**
 * What is asserted. On a virtual machine the processor's clock also runs while the host gives the processor to others, so
 * that now and then a task of 3 ms counts as one of 70: what the page itself takes too long for, it takes each time.
 */
export async function tasksOver(limitMs: number, page: Page, act: () => Promise<unknown>): Promise<number[]> {
  const TRIES = 3;
  for (let tries = 1; ; tries++) {
    const { tasks } = await tasksWhile(page, act);
    const slow = tasks.filter((ms) => ms > limitMs);
    console.log(`longest tasks ${tasks.slice(0, 5).map((ms) => ms.toFixed(1)).join(", ")} ms of ${tasks.length}`);
    if (slow.length === 0 || tries === TRIES) return slow;
  }
}

const TIDYING = "V8.GCFinalizeMCReduceMemory";

/** The longest first. */
async function tasksWhile<T>(page: Page, act: () => Promise<T>): Promise<{ result: T; tasks: number[] }> {
  const client = await page.context().newCDPSession(page);
  const events: TraceEvent[] = [];
  client.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  await client.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["toplevel", "v8", "__metadata"], excludedCategories: ["*"] },
  });
  const result = await act();
  const complete = new Promise<void>((done) => client.once("Tracing.tracingComplete", () => done()));
  await client.send("Tracing.end");
  await complete;
  await client.detach();
  const threadOf = (event: TraceEvent) => `${event.pid} ${event.tid}`;
  const mains = new Set(events.filter((event) => event.name === "thread_name" && event.args.name === "CrRendererMain").map(threadOf));
  const ofPage = events.filter((event) => event.tdur !== undefined && mains.has(threadOf(event)));
  const tidying = ofPage.filter((event) => event.name === TIDYING);
  const rests = (task: TraceEvent) => tidying.some((event) => event.ts >= task.ts && event.ts <= task.ts + (task.dur ?? 0));
  const tasks = ofPage
    .filter((event) => event.name.endsWith("RunTask") && !rests(event))
    .map((event) => (event.tdur ?? 0) / 1000)
    .sort((a, b) => b - a);
  if (tasks.length === 0) throw new Error("the browser's trace names no task of the page");
  return { result, tasks };
}
