// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { chipsOf, filterOf, isFiltered, searchOf, sortOf } from "./filter";

const read = (text: string) => filterOf(new URLSearchParams(text));

it("goes into the query string and comes back the same", () => {
  const filter = read(
    "q=till&kind=android&tag=b&tag=a&tag=b&status=silent&battery_below=15&network=wifi&site=Porto&app=com.x&agent_version=4.2",
  );
  expect(filter).toEqual({
    q: "till",
    kind: "android",
    tag: ["b", "a"],
    status: "silent",
    battery_below: 15,
    network: "wifi",
    site: "Porto",
    app: "com.x",
    agent_version: "4.2",
  });
  expect(filterOf(searchOf(filter))).toEqual(filter);
});

it("leaves out what can't be", () => {
  expect(read("status=asleep&battery_below=500&kind=&network=5g&q=%20%20&tag=")).toEqual({});
  expect(read("battery_below=1.5")).toEqual({});
  expect(read(`q=${"x".repeat(300)}`).q).toHaveLength(200);
  expect(isFiltered({})).toBe(false);
});

it("orders by name unless told", () => {
  expect(sortOf(new URLSearchParams("sort=nonsense"))).toEqual({ column: "alias", direction: "asc" });
  expect(searchOf({}, { column: "alias", direction: "asc" }).toString()).toBe("");
  const search = searchOf({ status: "late" }, { column: "battery", direction: "desc" });
  expect(search.toString()).toBe("status=late&sort=battery&direction=desc");
  expect(sortOf(search)).toEqual({ column: "battery", direction: "desc" });
});

it("has a chip for each part that takes just that part away", () => {
  const chips = chipsOf(read("tag=a&tag=b&site=Graz&battery_below=20&status=late&q=x"));
  expect(chips.map((chip) => chip.label)).toEqual(["Site: Graz", "Battery below 20 %", "Tag: a", "Tag: b"]);
  expect(searchOf(chips[2]?.without ?? {}).getAll("tag")).toEqual(["b"]);
  expect(searchOf(chips[0]?.without ?? {}).get("status")).toBe("late");
});
