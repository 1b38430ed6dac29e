// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { nameOfSubject, ownName, type Names } from "./names";

const names: Names = { of: new Map([["user:7", "erin"]]), actors: [] };
const entry = { id: "1", at: "2026-03-01T12:00:00Z", actor: "user:admin", action: "user.unlock", address: null, before: null, after: null };

it("the entry's own word goes before today's", () => {
  expect(ownName({ before: { alias: "till 1" }, after: { alias: "till 2" } })).toBe("till 2");
  expect(ownName({ before: { username: "erin" }, after: null })).toBe("erin");
  expect(ownName({ before: null, after: "text" })).toBeNull();
  expect(nameOfSubject({ ...entry, subject: "user:7", before: { username: "erna" } }, names)).toBe("erna");
});

it("what says nothing is called by today's name, or by none", () => {
  expect(nameOfSubject({ ...entry, subject: "user:7" }, names)).toBe("erin");
  expect(nameOfSubject({ ...entry, subject: "user:8" }, names)).toBeNull();
  expect(nameOfSubject({ ...entry, subject: "command:8", after: { name: "reboot" } }, names)).toBeNull();
});
