// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { COMMAND_KINDS, commandLabel, initialValues, kindOf, payloadOf, type CommandType } from "./command-types";

const kind = (type: CommandType) => {
  const found = kindOf(type);
  if (!found) throw new Error(type);
  return found;
};

it("leaves out what was not filled in", () => {
  expect(payloadOf(kind("lock"), { message: "  " })).toEqual({ payload: {}, problems: null });
  expect(payloadOf(kind("lock"), { message: " Back soon " }).payload).toEqual({ message: "Back soon" });
  expect(payloadOf(kind("wipe"), { reason: "", external_storage: false }).payload).toEqual({});
  expect(payloadOf(kind("wipe"), { reason: "stolen", external_storage: true }).payload).toEqual({ reason: "stolen", external_storage: true });
});

it("says what is wrong beside the field", () => {
  expect(payloadOf(kind("launch_package"), {}).problems).toHaveProperty("package");
  expect(payloadOf(kind("reboot"), { delay_s: "3601" }).problems).toHaveProperty("delay_s");
  expect(payloadOf(kind("reboot"), { delay_s: "1.5" }).problems).toHaveProperty("delay_s");
  expect(payloadOf(kind("set_config"), { settings: "[1]" }).problems).toHaveProperty("settings");
  expect(payloadOf(kind("set_config"), { settings: "{" }).problems).toHaveProperty("settings");
  expect(payloadOf(kind("raw"), { name: "x", args: "[1]" })).toEqual({ payload: { name: "x", args: [1] }, problems: null });
  expect(payloadOf(kind("screenshot"), { reason: "x".repeat(201) }).problems).toHaveProperty("reason");
});

it("starts with values that can be sent as they are, where nothing has to be told", () => {
  for (const one of COMMAND_KINDS) {
    const { problems } = payloadOf(one, initialValues(one));
    const asks = one.fields.some((field) => field.required && !field.initial);
    expect(problems === null, one.type).toBe(!asks);
  }
});

it("names types that no person sends", () => {
  expect(commandLabel("rotate_key")).toBe("Rotate key");
  expect(commandLabel("ping")).toBe("Ping");
});
