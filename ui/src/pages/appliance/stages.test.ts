// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { parseMetrics, type Reading } from "@/lib/metrics";
import { stagesOf } from "./stages";

const reading = (at: number, lines: string[]): Reading => ({ at, families: parseMetrics(lines.join("\n")) });

const BEFORE = [
  'muster_heartbeats_acknowledged_total 100',
  'muster_heartbeats_shed_total{reason="ring_full"} 0',
  'muster_http_request_duration_seconds_bucket{method="POST",route="/v1/heartbeat",le="0.001"} 100',
  'muster_http_request_duration_seconds_bucket{method="POST",route="/v1/heartbeat",le="+Inf"} 100',
  "muster_journal_records_total 100",
  "muster_writer_rows_total 100",
  'muster_writer_available{writer="0"} 1',
];
const NOW = [
  'muster_heartbeats_acknowledged_total 300',
  'muster_heartbeats_shed_total{reason="ring_full"} 0',
  'muster_http_request_duration_seconds_bucket{method="POST",route="/v1/heartbeat",le="0.001"} 300',
  'muster_http_request_duration_seconds_bucket{method="POST",route="/v1/heartbeat",le="+Inf"} 300',
  "muster_journal_records_total 300",
  "muster_journal_left_seconds +Inf",
  "muster_writer_rows_total 280",
  'muster_writer_available{writer="0"} 1',
];

describe("the stages", () => {
  it("have rates and latencies of the time between", () => {
    const stages = stagesOf(reading(0, BEFORE), reading(10, NOW));
    expect(stages.map((stage) => [stage.key, stage.rate, stage.tone])).toEqual([
      ["frontends", 20, "ok"],
      ["rings", 20, "ok"],
      ["journal", 20, "ok"],
      ["writers", 18, "ok"],
      ["postgres", 18, "ok"],
    ]);
    expect(stages[0]?.p99).toBeCloseTo(0.00099);
    expect(stages[2]?.facts).toContainEqual(["Full in", "never"]);
  });

  it("know no rate from one reading", () => expect(stagesOf(undefined, reading(0, NOW))[0]?.rate).toBeNull());

  it("say what is wrong", () => {
    const wrong = [
      ...NOW.filter((line) => !/shed|available/.test(line)),
      'muster_heartbeats_shed_total{reason="ring_full"} 20',
      'muster_writer_available{writer="0"} 0',
      "muster_journal_state 1",
      "muster_backlog_records 5000",
      'muster_writer_oldest_unstored_seconds{writer="0"} 90',
    ];
    const stages = stagesOf(reading(0, BEFORE), reading(10, wrong));
    expect(stages.map((stage) => stage.trouble)).toEqual([
      "2/s are told to come later",
      null,
      "It is full",
      "5,000 wait, the oldest for 1 min",
      "It takes nothing at the moment",
    ]);
    expect(stages.map((stage) => stage.tone)).toEqual(["warn", "ok", "bad", "warn", "bad"]);
  });
});
