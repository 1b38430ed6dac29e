// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { passwordFault } from "@/ui/password-input";
import { waitText, withoutWait } from "../sign-in/use-attempt";
import { programOf } from "./user-agent";

describe("programs", () => {
  it.each([
    [
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
      "Edge on Windows",
      false,
    ],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox on Linux", false],
    [
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
      "Safari on iOS",
      true,
    ],
    [
      "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
      "Chrome on Android",
      true,
    ],
    ["musterctl/0.1.0 (linux)", "musterctl/0.1.0", false],
    [null, "Unknown program", false],
  ])("%s", (userAgent, name, phone) => expect(programOf(userAgent)).toEqual({ name, phone }));
});

describe("passwords and waits", () => {
  it("are long enough and typed twice", () => {
    expect(passwordFault("short", "short")).toMatch(/10/);
    expect(passwordFault("long enough 1", "long enough 2")).toMatch(/not the same/);
    expect(passwordFault("long enough 1", "long enough 1")).toBeNull();
  });
  it("count down as a clock does", () => expect([waitText(9), waitText(60), waitText(905)]).toEqual(["9 s", "1:00", "15:05"]));
  it("stand once, not also in the sentence", () => {
    expect(withoutWait("Too many failed logins with this name; try again in 600 s.")).toBe("Too many failed logins with this name.");
    expect(withoutWait("The user name or the password is wrong.")).toBe("The user name or the password is wrong.");
  });
});
