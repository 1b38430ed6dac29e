// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { isShort, tablesOf, type Partition } from "./partition-facts";

const of = (parent: string, day: string, state: Partition["state"] = "attached", rows: number | null = 10): Partition => ({
  parent,
  partition: `${parent}_${day}`,
  day,
  state,
  bytes: 100,
  rows,
});

it("counts each table's days", () => {
  const [heartbeats, events] = tablesOf(
    [
      of("alert_events", "2026-11-21"),
      of("heartbeats", "2026-11-23", "attached", null),
      of("heartbeats", "2026-11-22"),
      of("heartbeats", "2026-11-21"),
      of("heartbeats", "2026-11-19"),
      of("heartbeats", "2026-08-20", "archiving"),
      of("heartbeats", "2026-07-01", "restored"),
    ],
    "2026-11-21",
  );
  expect(heartbeats).toEqual({
    parent: "heartbeats",
    bytes: 600,
    rows: 50,
    held: 2,
    oldest: "2026-11-19",
    ahead: 2,
    leaving: 1,
    restored: 1,
  });
  expect(events?.parent).toBe("alert_events");
  expect([heartbeats, events].map((table) => table && isShort(table))).toEqual([false, true]);
});
