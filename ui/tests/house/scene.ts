// SPDX-License-Identifier: Apache-2.0
/**
 * An appliance as it may be after some weeks at a small company: for pictures, and for tests that look at every page.
 *
 *   const scene = await setScene(appliance);   // about 15 s
 *   await scene.close();
 */
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { AddressInfo } from "node:net";
import type { Appliance } from "./appliance";
import { FLEET, reading, type Member } from "./scene-fleet";
import { chief, CHIEF, command, office, orderForMany, PASSWORD, somebody, type Ask, type DeviceOf, type Enrolled } from "./scene-people";
import { past } from "./scene-past";
import { sql } from "./sql";
import { until } from "./until";

export interface Scene {
  /** Of an admin who has chosen a password. */
  username: string;
  password: string;
  /** Of the one whose page is the most interesting. */
  deviceId: string;
  close: () => Promise<void>;
}

const HISTORY_H = 24;
const BEAT_S = 300;
const BATCH = 100;

/** Takes what webhooks bring; one of them is out of order. */
async function receiver(): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => response.writeHead(request.url === "/tickets" ? 500 : 204).end());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

async function enrol(appliance: Appliance, admin: Ask): Promise<Map<string, Enrolled>> {
  const enrolled = new Map<string, Enrolled>();
  for (const { alias, kind, site, tags, version } of FLEET) {
    const device = await appliance.ask<Enrolled>("POST", "/v1/register", {
      alias,
      kind,
      agent_version: version,
      hardware_id: hardware(alias),
    });
    enrolled.set(alias, device);
    const notes = alias === "Tablet Goran" ? "Spare screen fitted in March. Goran drives tour 12 (Altona, Wedel)." : undefined;
    await admin("PATCH", `/admin/devices/${device.device_id}`, { site, tags, ...(notes ? { notes } : {}) });
  }
  return enrolled;
}

const hardware = (alias: string) =>
  `NL-${[...alias]
    .reduce((sum, letter) => (sum * 33 + letter.charCodeAt(0)) % 0xffffff, 7)
    .toString(16)
    .padStart(6, "0")
    .toUpperCase()}`;

async function beat(appliance: Appliance, device: Enrolled, heartbeats: Record<string, unknown>[]): Promise<void> {
  for (let from = 0; from < heartbeats.length; from += BATCH) {
    const answer = await fetch(`${appliance.url}/v1/heartbeats`, {
      method: "POST",
      headers: { Authorization: `Bearer ${device.token}`, "Content-Type": "application/json" },
      body: JSON.stringify({ heartbeats: heartbeats.slice(from, from + BATCH) }),
    });
    if (!answer.ok) throw new Error(`heartbeats: ${answer.status} ${await answer.text()}`);
  }
}

const phase = (n: number) => (n * 37) % BEAT_S;

/** A day of everybody's life, up to when each was last heard of. */
async function live(appliance: Appliance, of: DeviceOf, now: number): Promise<void> {
  await Promise.all(
    FLEET.map(async (member, n) => {
      if (member.condition === "never") return;
      const last = now - (member.quietMin * 60 || phase(n) + 30);
      const beats = Array.from({ length: (HISTORY_H * 3600) / BEAT_S }, (_, k) => reading(member, n, last - k * BEAT_S, now));
      await beat(appliance, of(member.alias), beats.reverse());
    }),
  );
}

const present = (member: Member) => !["late", "silent", "never"].includes(member.condition);

async function beatNow(appliance: Appliance, of: DeviceOf): Promise<void> {
  const now = Date.now() / 1000;
  for (const [n, member] of FLEET.entries()) {
    if (!present(member)) continue;
    const skew = member.condition === "skewed" ? 540 : 0;
    await beat(appliance, of(member.alias), [reading(member, n, now - skew, now)]);
  }
}

/** From now on somebody reports every second or so. */
function beatOn(appliance: Appliance, of: DeviceOf): () => Promise<void> {
  let over = false;
  const beating = (async () => {
    for (let k = 0; !over; k++) {
      for (const [n, member] of FLEET.entries()) {
        if (over || !present(member) || member.condition === "skewed" || (n + k) % 23) continue;
        const now = Date.now() / 1000;
        await beat(appliance, of(member.alias), [reading(member, n, now, now)]);
      }
      await pause(700 + 500 * Math.sin(k / 3));
    }
  })();
  return async () => {
    over = true;
    await beating;
  };
}

async function stored(appliance: Appliance): Promise<void> {
  await until("all heartbeats to be stored", async () => {
    const { devices } = await appliance.ask<{ devices: unknown[] }>("GET", "/admin/devices?limit=1&status=online");
    return devices.length > 0;
  });
}

async function attack(appliance: Appliance): Promise<void> {
  for (const username of ["root", "administrator", "root"])
    await fetch(`${appliance.url}/api/auth/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username, password: "letmein" }),
    });
}

export async function setScene(appliance: Appliance): Promise<Scene> {
  const hooks = await receiver();
  const first = await somebody(appliance, "admin", appliance.secret("admin-password"));
  const admin = await chief(appliance, first);
  await office(admin, `http://127.0.0.1:${(hooks.address() as AddressInfo).port}`);
  const enrolled = await enrol(appliance, admin);
  const of: DeviceOf = (alias) => {
    const device = enrolled.get(alias);
    if (!device) throw new Error(`the scene has no ${alias}`);
    return device;
  };
  const now = Date.now() / 1000;
  await live(appliance, of, now);
  const operator = await somebody(appliance, "mira.vogt", PASSWORD);
  await command(appliance, admin, operator, of);
  await orderForMany(
    appliance,
    operator,
    of,
    FLEET.filter(({ alias }) => /^Scanner (Hamburg|Kiel)/.test(alias)).map(({ alias }) => alias),
  );
  await attack(appliance);
  await stored(appliance);
  sql(appliance, past(FLEET, of));
  await appliance.stop();
  appliance.settings["MUSTER_BACKUP_DIRECTORY"] = join(appliance.home, "backups");
  appliance.settings["MUSTER_INGEST_WINDOW_BACK"] = "2d";
  appliance.settings["MUSTER_RETENTION_HEARTBEATS"] = "8d"; // older days go to the archive at once
  await appliance.start();
  await beatNow(appliance, of);
  await until("the first alerts", async () => {
    const { incidents } = await appliance.ask<{ incidents: { rule: string }[] }>("GET", "/admin/incidents?limit=100");
    return ["offline", "low_battery", "service_down", "queue_depth"].every((rule) => incidents.some((one) => one.rule === rule));
  });
  const stopBeating = beatOn(appliance, of);
  const close = async () => {
    await stopBeating();
    await new Promise((done) => hooks.close(done));
  };
  return { username: CHIEF, password: PASSWORD, deviceId: of("Tablet Goran").device_id, close };
}
