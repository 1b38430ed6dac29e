// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { arrivedBy, enrolCommand, isLocal, quotePowerShell, serverAddress, tokenState, type Token } from "./enrol";

const PIN = "sha256//dxNWIqM+nKt3aCqOkeTyLi9VmtxCx9lwEJNMtiFlf3g=";
const TOKEN = "me_ukcaahZotRfuKhb3tUSANjAfbcTaWfUpPG8PYekUZwr";
const NASTY = `it's "5 o'clock" $(touch /tmp/x) \`id\` \\ ; | & !`;

/** What a shell makes of the command: the agent's arguments and what it is given to read. */
function run(command: string): { words: string[]; input: string } {
  const script = `muster-agent() { cat; printf '\\0'; printf '%s\\0' "$@"; }\nhostname() { echo the-host; }\n${command}`;
  const [input = "", ...words] = execFileSync("bash", ["-c", script], { encoding: "utf8" }).split("\0").slice(0, -1);
  return { words, input };
}

describe("the command", () => {
  it("gives the agent what it is to have", () => {
    const { words, input } = run(enrolCommand({ shell: "bash", server: "https://fleet.example:8443", token: TOKEN, pin: PIN, alias: "" }));
    expect(input).toBe(TOKEN);
    expect(words).toEqual(["enroll", "--server", "https://fleet.example:8443", "--pin", PIN, "--token-file", "-", "--alias", "the-host"]);
  });

  it("quotes what a shell would take for something else", () => {
    const { words } = run(enrolCommand({ shell: "bash", server: "https://fleet.example", token: TOKEN, pin: null, alias: ` ${NASTY} ` }));
    expect(words).toEqual(["enroll", "--server", "https://fleet.example", "--token-file", "-", "--alias", NASTY]);
    expect(quotePowerShell("it's $x")).toBe("'it''s $x'");
  });

  it("is one line, and the token is no argument", () => {
    for (const shell of ["bash", "powershell"] as const) {
      const command = enrolCommand({ shell, server: "https://a", token: TOKEN, pin: PIN, alias: "till 1" });
      expect(command).not.toContain("\n");
      expect(command.split("|")[1]).not.toContain(TOKEN);
    }
  });
});

describe("the address", () => {
  const door = { https_port: 8443, tls_pin: PIN, self_signed: true };
  const page = (url: string) => new URL(url);

  it("is that of the page, with HTTPS", () => {
    expect(serverAddress(page("https://fleet.example/enrol"), door)).toBe("https://fleet.example");
    expect(serverAddress(page("https://fleet.example:9443/enrol"), door)).toBe("https://fleet.example:9443");
    expect(serverAddress(page("http://127.0.0.1:8080/enrol"), door)).toBe("https://127.0.0.1:8443");
    expect(serverAddress(page("http://fleet.example/enrol"), { ...door, https_port: 443 })).toBe("https://fleet.example");
    expect(serverAddress(page("http://fleet.example/enrol"), null)).toBe("http://fleet.example");
  });

  it("of this machine leads nowhere from another", () => {
    expect(["https://127.0.0.1:8443", "https://localhost", "https://[::1]:8443", "https://fleet.example"].map(isLocal)).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });
});

const token = (change: Partial<Token>): Token => ({
  id: "1",
  note: null,
  max_uses: 2,
  uses: 0,
  created_at: "2026-01-01T00:00:00Z",
  expires_at: "2026-01-02T00:00:00Z",
  revoked_at: null,
  last_used_at: null,
  last_device_id: null,
  ...change,
});

it("a token's state", () => {
  const noon = Date.parse("2026-01-01T12:00:00Z");
  expect(tokenState(token({}), noon)).toBe("open");
  expect(tokenState(token({ uses: 2 }), noon)).toBe("used up");
  expect(tokenState(token({}), Date.parse("2026-01-02T00:00:00Z"))).toBe("expired");
  expect(tokenState(token({ uses: 2, revoked_at: "2026-01-01T01:00:00Z" }), noon)).toBe("revoked");
});

describe("who came by a token", () => {
  it("nobody, while it was not used", () => {
    expect(arrivedBy([], ["7"], 0, { uses: 0, last_device_id: null })).toEqual([]);
  });
  it("all that are new, when it let in as many", () => {
    expect(arrivedBy([], ["7", "8"], 0, { uses: 2, last_device_id: "8" })).toEqual(["7", "8"]);
    expect(arrivedBy(["7"], ["7", "8", "9"], 0, { uses: 3, last_device_id: "9" })).toEqual(["7", "8", "9"]);
  });
  it("the one that it names, when others came in too", () => {
    expect(arrivedBy([], ["7", "8"], 0, { uses: 1, last_device_id: "8" })).toEqual(["8"]);
  });
  it("a device that was known before and came back", () => {
    expect(arrivedBy([], [], 3, { uses: 4, last_device_id: "2" })).toEqual(["2"]);
  });
});
