// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import {
  bucketOf,
  histogram,
  histogramSince,
  labelsOf,
  latency,
  mean,
  MetricsReader,
  parseMetrics,
  quantile,
  rate,
  total,
  type Reading,
} from "./metrics";

const at = (seconds: number, text: string): Reading => ({ at: seconds, families: parseMetrics(text) });

const HISTOGRAM = (counts: number[], sum: number) => {
  const bounds = ["0.1", "0.5", "1", "+Inf"];
  let cumulated = 0;
  return [
    ...bounds.map((bound, index) => `t_bucket{route="/a",le="${bound}"} ${(cumulated += counts[index] ?? 0)}`),
    `t_sum{route="/a"} ${sum}`,
    `t_count{route="/a"} ${cumulated}`,
  ].join("\n");
};

describe("the text", () => {
  it("has names, labels and values", () => {
    const families = parseMetrics('# HELP a b\n# TYPE a counter\na 1\nb{x="1",y="q"} 2.5e3\nb{x="2"} +Inf 1700000000000\n');
    expect(families.get("a")).toEqual([{ labels: "", value: 1 }]);
    expect(families.get("b")).toEqual([
      { labels: 'x="1",y="q"', value: 2500 },
      { labels: 'x="2"', value: Number.POSITIVE_INFINITY },
    ]);
  });

  it("may be cut anywhere", () => {
    const text = `# HELP a says\na{x="a b}\\"{"} 7\n${HISTOGRAM([1, 2, 3, 4], 9)}`;
    const whole = parseMetrics(text);
    for (let size = 1; size < 40; size++) {
      const reader = new MetricsReader();
      for (let from = 0; from < text.length; from += size) reader.push(text.slice(from, from + size));
      expect(reader.end()).toEqual(whole);
    }
    expect(labelsOf(whole.get("a")?.[0]?.labels ?? "")).toEqual({ x: 'a b}"{' });
  });

  it("keeps what is wanted and passes over what it does not understand", () => {
    const families = parseMetrics('a 1\nb 2\nbroken\nc{x="1 3\nd NaN\ne \n\r\nf{x="1"} 4', (name) => name !== "b");
    expect([...families.keys()]).toEqual(["a", "f"]);
  });

  it("unescapes labels", () => {
    expect(labelsOf(String.raw`a="x\\y",b="l1\nl2",c=""`)).toEqual({ a: String.raw`x\y`, b: "l1\nl2", c: "" });
  });
});

describe("rates", () => {
  it("are of the time between, over all series that match", () => {
    const before = at(100, 'n{k="a"} 10\nn{k="b"} 5');
    const now = at(110, 'n{k="a"} 30\nn{k="b"} 6');
    expect(total(now, "n")).toBe(36);
    expect(total(now, "none")).toBeNull();
    expect(rate(before, now, "n")).toBe(2.1);
    expect(rate(before, now, "n", 'k="a"')).toBe(2);
    expect(rate(undefined, now, "n")).toBeNull();
    expect(rate(now, now, "n")).toBeNull();
  });

  it("survive a restart", () => expect(rate(at(0, "n 1000"), at(10, "n 20"), "n")).toBe(2));
});

describe("histograms", () => {
  it("are not cumulated, and the routes add up", () => {
    const other = HISTOGRAM([0, 0, 1, 0], 0.7).replaceAll("/a", "/b");
    const reading = at(0, `${HISTOGRAM([1, 2, 3, 4], 9)}\n${other}`);
    expect(histogram(reading, "t", '"/a"')).toEqual({
      bounds: [0.1, 0.5, 1, Number.POSITIVE_INFINITY],
      counts: [1, 2, 3, 4],
      count: 10,
      sum: 9,
    });
    expect(histogram(reading, "t")?.counts).toEqual([1, 2, 4, 4]);
    expect(histogram(reading, "none")).toBeNull();
  });

  it("tell what came between two readings", () => {
    const before = at(0, HISTOGRAM([5, 5, 0, 0], 2));
    const now = at(10, HISTOGRAM([5, 7, 2, 0], 4));
    expect(histogramSince(before, now, "t")).toMatchObject({ counts: [0, 2, 2, 0], count: 4, sum: 2 });
    expect(histogramSince(undefined, now, "t")?.count).toBe(14);
    expect(histogramSince(now, before, "t")?.count).toBe(10);
  });

  it("give the bucket of a quantile", () => {
    const spread = histogram(at(1, HISTOGRAM([90, 0, 10, 1], 1)), "t");
    expect([bucketOf(spread, 0.5), bucketOf(spread, 0.95), bucketOf(spread, 1)]).toEqual([0.1, 1, Number.POSITIVE_INFINITY]);
    expect(bucketOf(null, 0.5)).toBeNull();
  });

  it("give quantiles within a bucket", () => {
    const even = histogram(at(0, HISTOGRAM([0, 100, 0, 0], 30)), "t");
    expect(quantile(even, 0.5)).toBeCloseTo(0.3);
    expect(quantile(even, 1)).toBeCloseTo(0.5);
    expect(mean(even)).toBeCloseTo(0.3);
    const spread = histogram(at(0, HISTOGRAM([90, 9, 0, 1], 30)), "t");
    expect(quantile(spread, 0.9)).toBeCloseTo(0.1);
    expect(quantile(spread, 0.999)).toBe(1);
  });

  it("know nothing of nothing", () => {
    const none = histogram(at(0, HISTOGRAM([0, 0, 0, 0], 0)), "t");
    expect(quantile(none, 0.5)).toBeNull();
    expect(quantile(null, 0.5)).toBeNull();
    expect(mean(none)).toBeNull();
  });
});

describe("a large text", () => {
  it("takes no long task: a piece of 64 KiB is read within 10 ms", () => {
    const line = (route: number, bound: number) =>
      `muster_http_request_duration_seconds_bucket{method="POST",route="/v1/r${route}",le="${bound}"} 12345\n`;
    let text = "";
    for (let route = 0; route < 400; route++) for (let bound = 0; bound < 17; bound++) text += line(route, bound);
    expect(text.length).toBeGreaterThan(500_000);
    const reader = new MetricsReader();
    const times: number[] = [];
    for (let from = 0; from < text.length; from += 65_536) {
      const start = performance.now();
      reader.push(text.slice(from, from + 65_536));
      times.push(performance.now() - start);
    }
    expect(reader.end().get("muster_http_request_duration_seconds_bucket")).toHaveLength(6800);
    expect(times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]).toBeLessThan(10);
  });
});

it("writes latencies as people read them", () => {
  expect([0.00034, 0.0024, 0.123, 1.25, 40, 0, null].map(latency)).toEqual(["340 µs", "2.4 ms", "123 ms", "1.3 s", "40 s", "0 µs", "–"]);
});
