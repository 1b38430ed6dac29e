// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { canCancel, isOver, laterState, payloadLine, progressOf } from "./command-words";

it("fits a payload on a line", () =>
  expect(payloadLine({ package: "com.example.till", a: { b: 1 } })).toBe('package com.example.till, a {"b":1}'));

describe("states", () => {
  it("never go back", () => {
    expect(laterState("queued", "sent")).toBe("sent");
    expect(laterState("done", "received")).toBe("done");
    expect(laterState("sent", undefined)).toBe("sent");
    expect(laterState("cancelled", "done")).toBe("cancelled");
  });

  it("know what is over and what can be taken back", () => {
    expect([isOver("received"), isOver("expired"), canCancel("received"), canCancel("sent")]).toEqual([false, true, false, true]);
  });

  it("of a bulk command are counted", () => {
    const states = { awaiting_confirmation: 0, queued: 2, sent: 1, received: 1, done: 3, failed: 1, expired: 0, cancelled: 0 };
    expect(progressOf(states)).toEqual({ all: 8, over: 4, share: 0.5, canCancel: 3 });
  });
});
