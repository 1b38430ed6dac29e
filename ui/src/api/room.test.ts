// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { heardRoom, untilRoomMs } from "./room";

const told = (general: number) => new Headers({ ratelimit: `"general";r=${general};t=30, "burst";r=3;t=1` });

it("who is in no hurry leaves twenty requests to people's hands, and comes back as they grow again", () => {
  expect(untilRoomMs(0)).toBe(0);
  heardRoom(told(41), 1000);
  expect(untilRoomMs(1000)).toBe(0);
  heardRoom(told(12), 1000);
  expect(untilRoomMs(1000)).toBe(8000);
  expect(untilRoomMs(6000)).toBe(3000);
  expect(untilRoomMs(9000)).toBe(0);
  heardRoom(new Headers(), 9000); // an answer that is not limited tells nothing
  heardRoom(told(0), 10_000);
  expect(untilRoomMs(10_000)).toBe(20_000);
  expect(untilRoomMs(71_000)).toBe(0);
});
