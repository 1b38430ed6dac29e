// SPDX-License-Identifier: Apache-2.0
import { afterEach, expect, it, vi } from "vitest";
import { downloadCsv, fileName } from "./csv-download";

afterEach(() => vi.unstubAllGlobals());

it("takes the appliance's name for the file, without a path", () => {
  expect(fileName('attachment; filename="devices-2026.csv"', "x.csv")).toBe("devices-2026.csv");
  expect(fileName("attachment; filename=../../etc/passwd", "x.csv")).toBe("passwd");
  expect(fileName(null, "x.csv")).toBe("x.csv");
});

it("fetches with the filter and saves what came", async () => {
  const fetched = vi.fn(
    async (_url: string) => new Response("id,alias\n1,Till\n", { headers: { "content-disposition": 'attachment; filename="d.csv"' } }),
  );
  vi.stubGlobal("fetch", fetched);
  const made: Blob[] = [];
  URL.createObjectURL = (blob) => (made.push(blob as Blob), "blob:1");
  URL.revokeObjectURL = () => undefined;
  const names: string[] = [];
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
    names.push(this.download);
  });
  await downloadCsv("/admin/devices.csv", { status: "silent", tag: ["a", "b"] }, "devices.csv");
  expect(fetched.mock.calls[0]?.[0]).toBe("/admin/devices.csv?status=silent&tag=a&tag=b");
  expect(names).toEqual(["d.csv"]);
  expect(await made[0]?.text()).toContain("Till");
});

it("says what the appliance said when it refuses", async () => {
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify({ detail: "Two exports run already." }), { status: 409 }));
  await expect(downloadCsv("/admin/devices.csv", {}, "x")).rejects.toThrow("Two exports run already.");
});
