// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { COMMAND_TYPES, commandTitle, commandType, initialOf, payloadOf, whyNot, type OrderType } from "./command-types";

const built = (type: OrderType, draft: Record<string, string>) => payloadOf(commandType(type), draft);

describe("a payload", () => {
  it("has what was typed, as its field means it", () => {
    expect(built("request_logs", { since_s: " 3600 ", lines: "" })).toEqual({ payload: { since_s: 3600 }, errors: {}, missing: {} });
    expect(built("lock", { message: " Back soon " }).payload).toEqual({ message: "Back soon" });
    expect(built("raw", { name: "beep", args: "[1]" }).payload).toEqual({ name: "beep", args: [1] });
  });

  it("leaves out what is empty or off", () => {
    expect(built("relaunch_app", { package: "  " })).toEqual({ payload: {}, errors: {}, missing: {} });
    expect(built("wipe", { external_storage: "false", reason: "Sold" }).payload).toEqual({ reason: "Sold" });
    expect(built("wipe", { external_storage: "true" }).payload).toEqual({ external_storage: true });
  });

  it("says what is missing and what is wrong", () => {
    expect(built("launch_package", {}).missing).toEqual({ package: "Package is needed." });
    expect(built("reboot", { delay_s: "4000" }).errors["delay_s"]).toContain("0 to 3,600");
    expect(built("reboot", { delay_s: "1.5" }).errors).toHaveProperty("delay_s");
    expect(built("set_config", { settings: "{" }).errors["settings"]).toBe("This is not JSON yet.");
    expect(built("set_config", { settings: "[1]" }).errors["settings"]).toContain("object");
    expect(built("screenshot", { reason: "x".repeat(201) }).errors["reason"]).toContain("200");
  });

  it("can be sent as its form begins, where nothing has to be told", () => {
    for (const one of COMMAND_TYPES) {
      const { errors, missing } = payloadOf(one, initialOf(one));
      expect(errors, one.type).toEqual({});
      expect(Object.keys(missing), one.type).toEqual(one.fields.filter((field) => field.needed).map((field) => field.name));
    }
  });
});

it("knows which devices have it", () => {
  expect(whyNot(commandType("ping"), { kind: "desktop" })).toBeNull();
  expect(whyNot(commandType("wipe"), { kind: "desktop" })).toBe("not on a desktop");
  expect(whyNot(commandType("wipe"), { kind: "android" })).toBeNull();
  expect(whyNot(commandType("raw"), { kind: "android", last: { extra: null } })).toBe("its agent takes none");
  expect(whyNot(commandType("raw"), { kind: "android", last: { extra: { capabilities: ["raw"] } } })).toBeNull();
});

it("names what it doesn't know", () =>
  expect([commandTitle("ping"), commandTitle("rotate_key"), commandTitle("new_one")]).toEqual(["Ping", "Rotate the key", "new one"]));
