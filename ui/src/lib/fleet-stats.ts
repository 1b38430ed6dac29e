// SPDX-License-Identifier: Apache-2.0
/**
 * What the fleet looks like, counted from the live rows: batteries, agents, networks. 100,000 rows are walked in
 * slices of a few milliseconds, so that nobody who scrolls or types beside it notices.
 */
import type { LiveDevice } from "@/live/store";

export interface BatteryBand {
  label: string;
  /** From this many percent… */
  from: number;
  /** …up to this many. */
  to: number;
}

/** Below 15 % an alert begins; the first band is that. */
export const BATTERY_BANDS: readonly BatteryBand[] = [
  { label: "below 15 %", from: 0, to: 14 },
  { label: "15–29 %", from: 15, to: 29 },
  { label: "30–49 %", from: 30, to: 49 },
  { label: "50–79 %", from: 50, to: 79 },
  { label: "80–100 %", from: 80, to: 100 },
];

export interface FleetStats {
  /** Devices that have reported. */
  reported: number;
  /** In the order of BATTERY_BANDS. */
  battery: number[];
  batteryUnknown: number;
  charging: number;
  /** Newest version first. */
  versions: { version: string; count: number }[];
  versionUnknown: number;
  /** Most first. */
  networks: { network: string; count: number }[];
  networkUnknown: number;
  /** Those whose system may put the agent to sleep. */
  powerNotOk: number;
}

/** 4.10.0 before 4.9.1 before 4.9.1-beta. */
export function compareVersions(a: string, b: string): number {
  const [plainA = "", ...preA] = a.split("-");
  const [plainB = "", ...preB] = b.split("-");
  const partsA = plainA.split(".");
  const partsB = plainB.split(".");
  for (let index = 0; index < Math.max(partsA.length, partsB.length); index++) {
    const difference = Number(partsA[index] ?? 0) - Number(partsB[index] ?? 0);
    if (difference) return difference;
  }
  if (preA.length === 0 || preB.length === 0) return preB.length - preA.length;
  return preA.join("-").localeCompare(preB.join("-"), undefined, { numeric: true });
}

const bandOf = (battery: number) => BATTERY_BANDS.findIndex((band) => battery >= band.from && battery < band.to + 1);

/** Takes rows one by one. */
export class FleetCount {
  private reported = 0;
  private readonly battery = BATTERY_BANDS.map(() => 0);
  private batteryUnknown = 0;
  private charging = 0;
  private readonly versions = new Map<string, number>();
  private readonly networks = new Map<string, number>();
  private powerNotOk = 0;

  add(device: LiveDevice): void {
    if (device.received_at === undefined) return; // never heard of: nothing to count
    this.reported++;
    const band = device.battery === undefined ? -1 : bandOf(device.battery);
    if (band < 0) this.batteryUnknown++;
    else this.battery[band] = (this.battery[band] ?? 0) + 1;
    if (device.charging) this.charging++;
    const version = device.agent_version ?? "";
    this.versions.set(version, (this.versions.get(version) ?? 0) + 1);
    const network = device.network ?? "";
    this.networks.set(network, (this.networks.get(network) ?? 0) + 1);
    if (device.power_ok === false) this.powerNotOk++;
  }

  result(): FleetStats {
    const known = (counts: Map<string, number>) => [...counts].filter(([name]) => name !== "");
    return {
      reported: this.reported,
      battery: [...this.battery],
      batteryUnknown: this.batteryUnknown,
      charging: this.charging,
      versions: known(this.versions)
        .map(([version, count]) => ({ version, count }))
        .toSorted((a, b) => compareVersions(b.version, a.version) || a.version.localeCompare(b.version)),
      versionUnknown: this.versions.get("") ?? 0,
      networks: known(this.networks)
        .map(([network, count]) => ({ network, count }))
        .toSorted((a, b) => b.count - a.count || a.network.localeCompare(b.network)),
      networkUnknown: this.networks.get("") ?? 0,
      powerNotOk: this.powerNotOk,
    };
  }
}

const SLICE_MS = 6;
const ROWS_BETWEEN_LOOKS = 500;

export interface Slicing {
  now: () => number;
  /** Lets everybody else have a turn. */
  pause: () => Promise<void>;
  sliceMs: number;
}

const SLICING: Slicing = {
  now: () => performance.now(),
  pause: () => new Promise((done) => setTimeout(done, 0)),
  sliceMs: SLICE_MS,
};

/** Counts in slices; null when `stopped` says so on the way. Rows that come or go meanwhile are counted next time. */
export async function countFleet(
  rows: Iterable<LiveDevice>,
  stopped: () => boolean = () => false,
  slicing: Slicing = SLICING,
): Promise<FleetStats | null> {
  const count = new FleetCount();
  let began = slicing.now();
  let left = ROWS_BETWEEN_LOOKS;
  for (const row of rows) {
    count.add(row);
    if (--left > 0) continue;
    left = ROWS_BETWEEN_LOOKS;
    if (slicing.now() - began < slicing.sliceMs) continue;
    await slicing.pause();
    if (stopped()) return null;
    began = slicing.now();
  }
  return stopped() ? null : count.result();
}

export interface Share {
  label: string;
  count: number;
}

/** The first few as they are, the rest as one. */
export function topOf(shares: readonly Share[], most: number, otherLabel = (kinds: number) => `${kinds} others`): Share[] {
  if (shares.length <= most) return [...shares];
  // The newest versions come first, but what many devices have must be seen too.
  const kept = new Set([...shares].toSorted((a, b) => b.count - a.count).slice(0, most - 1));
  const rest = shares.filter((share) => !kept.has(share));
  return [
    ...shares.filter((share) => kept.has(share)),
    { label: otherLabel(rest.length), count: rest.reduce((sum, share) => sum + share.count, 0) },
  ];
}
