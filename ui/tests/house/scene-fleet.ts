// SPDX-License-Identifier: Apache-2.0
/** Nordlicht Logistik, a small company: whose devices there are, and how each of them is. */
export type Condition = "well" | "low" | "closed" | "skewed" | "queued" | "late" | "silent" | "never";

export interface Member {
  alias: string;
  kind: "android" | "desktop";
  site: string;
  tags: string[];
  version: string;
  condition: Condition;
  /** Minutes since it was last heard of. */
  quietMin: number;
}

export const APP = "de.nordlicht.tour";
export const NEWEST = "2.4.1";

const VERSIONS = [NEWEST, NEWEST, NEWEST, "2.4.0", NEWEST, "2.4.0", NEWEST];
/** The one that nobody updated. */
const OUTDATED = "Workshop PC";
const DRIVERS = [
  "Aylin",
  "Björn",
  "Carla",
  "Deniz",
  "Emil",
  "Frauke",
  "Goran",
  "Hanna",
  "Ida",
  "Jonas",
  "Kerem",
  "Lena",
  "Marek",
  "Nele",
  "Olaf",
  "Paula",
  "Quirin",
  "Rosa",
  "Sören",
  "Tomasz",
  "Ute",
  "Viktor",
  "Wiebke",
  "Yusuf",
];

/** By alias; the rest is well. Bremen's three go together, which makes a site's outage. */
const TROUBLE: Record<string, [Condition, number?]> = {
  "Tablet Emil": ["low"],
  "Tablet Rosa": ["low"],
  "Tablet Goran": ["closed"],
  "Tablet Sören": ["skewed"],
  "Tablet Viktor": ["queued"],
  "Tablet Jonas": ["late", 13],
  "Scanner Kiel 2": ["late", 12],
  "Scanner Bremen 1": ["silent", 47],
  "Scanner Bremen 2": ["silent", 47],
  "Gate Bremen": ["silent", 46],
  "Tablet Ute": ["silent", 60 * 31],
  "Tablet Yusuf": ["never"],
};

type Plain = Pick<Member, "alias" | "kind" | "site" | "tags">;

function plain(): Plain[] {
  const depots = ["Hamburg", "Bremen", "Kiel", "Rostock"];
  const tablets = DRIVERS.map((name, n): Plain => ({
    alias: `Tablet ${name}`,
    kind: "android",
    site: depots[n % 4] === "Bremen" ? "Hamburg" : (depots[n % 4] ?? "Hamburg"),
    tags: n % 5 === 0 ? ["driver", "night-shift"] : ["driver"],
  }));
  const scanners = depots.flatMap((site) =>
    Array.from({ length: site === "Hamburg" ? 8 : 4 }, (_, n): Plain => ({
      alias: `Scanner ${site} ${n + 1}`,
      kind: "android",
      site,
      tags: ["warehouse"],
    })),
  );
  const gates = depots.map((site): Plain => ({ alias: `Gate ${site}`, kind: "desktop", site, tags: ["gate", "kiosk"] }));
  const offices = ["Dispatch", "Accounts", "Workshop", "Reception", "Planning", "Personnel", "Customs", "Purchasing"];
  const desks = offices.map((name): Plain => ({ alias: `${name} PC`, kind: "desktop", site: "Head office", tags: ["office"] }));
  const boards = [1, 2, 3, 4].map((n): Plain => ({ alias: `Departure board ${n}`, kind: "desktop", site: "Hamburg", tags: ["kiosk"] }));
  return [...tablets, ...scanners, ...gates, ...desks, ...boards];
}

export const FLEET: Member[] = plain().map((one, n) => {
  const [condition, quietMin = 0] = TROUBLE[one.alias] ?? ["well"];
  return { ...one, version: one.alias === OUTDATED ? "2.3.5" : (VERSIONS[n % VERSIONS.length] ?? NEWEST), condition, quietMin };
});

const APPS = [APP, APP, "com.google.android.apps.maps", APP, "com.android.chrome", APP, "com.android.launcher3"];
const PROGRAMS = ["firefox-esr", "libreoffice", "firefox-esr", "thunderbird", "kiosk-browser"];
const FULL_AT_H = 6;

const hourOf = (ts: number) => (((ts / 3600) % 24) + 1 + 24) % 24; // Central European winter

/** A tablet is used by day and charges by night; a computer has the mains. */
export function reading(member: Member, n: number, ts: number, now: number): Record<string, unknown> {
  const desktop = member.kind === "desktop";
  const hour = hourOf(ts);
  const used = hour >= FULL_AT_H && hour < 20;
  const drain = 3.2 + (n % 7) * 0.35;
  const evening = 100 - drain * 14;
  const level = used ? 100 - (hour - FULL_AT_H) * drain : Math.min(100, evening + ((hour - 20 + 24) % 24) * 14);
  const latest = now - ts < 600;
  const battery = Math.max(4, Math.round(member.condition === "low" && latest ? 9 - (n % 4) : level));
  const slot = Math.floor(ts / 1500) + n * 3;
  const wave = Math.sin(ts / 5400 + n);
  const moving = member.tags.includes("driver") && used;
  return {
    ts,
    ...(desktop ? {} : { battery, charging: !used }),
    network: desktop ? "ethernet" : moving && slot % 3 ? "cellular" : "wifi",
    ...(desktop || (moving && slot % 3) ? {} : { ssid: `Nordlicht ${member.site}` }),
    ram_total_mb: desktop ? 16_000 : 5_800,
    ram_free_mb: Math.round((desktop ? 9_200 : 2_300) + wave * 700 + (n % 5) * 60),
    uptime_s: Math.round(86_400 * (3 + (n % 11)) + ts - now),
    fg_package: desktop
      ? PROGRAMS[(slot + n) % PROGRAMS.length]
      : member.condition === "closed" && now - ts < 2700
        ? "com.android.settings"
        : APPS[slot % APPS.length],
    ...(desktop ? {} : { monitored_last_fg_s: member.condition === "closed" ? Math.round(now - 2520) : Math.round(ts - (slot % 4) * 60) }),
    agent_version: member.version,
    power_ok: n % 9 !== 4,
    device_owner: true,
    battery_unrestricted: n % 9 !== 4,
    doze_whitelisted: true,
    net_validated: true,
    queue_depth: member.condition === "queued" && latest ? 164 : 0,
  };
}
