// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { canCancel, commandTitle, isOver, laterState, payloadLine, payloadOf, progressOf } from "./command-words";

describe("a payload", () => {
  it("has what was typed, as its field means it", () =>
    expect(payloadOf("request_logs", { since_s: " 3600 ", lines: "" })).toEqual({ payload: { since_s: 3600 }, errors: {}, missing: false }));

  it("says what is missing and what is wrong", () => {
    expect(payloadOf("launch_package", {}).missing).toBe(true);
    expect(payloadOf("relaunch_app", {})).toEqual({ payload: {}, errors: {}, missing: false });
    expect(payloadOf("reboot", { delay_s: "4000" }).errors["delay_s"]).toContain("0 to 3,600");
    expect(payloadOf("set_config", { settings: "{" }).errors["settings"]).toBe("This is not JSON yet.");
    expect(payloadOf("set_config", { settings: "[1]" }).errors["settings"]).toContain("object");
    expect(payloadOf("raw", { name: "beep", args: "[1]" }).payload).toEqual({ name: "beep", args: [1] });
  });

  it("leaves out what is off", () => expect(payloadOf("wipe", { external_storage: "false", reason: "Sold" }).payload).toEqual({ reason: "Sold" }));

  it("fits on a line", () => expect(payloadLine({ package: "com.example.till", a: { b: 1 } })).toBe('package com.example.till, a {"b":1}'));
});

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

it("names what it doesn't know", () => expect([commandTitle("ping"), commandTitle("rotate_key"), commandTitle("new_one")]).toEqual(["Ping", "Rotate the key", "new one"]));
