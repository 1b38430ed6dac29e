// SPDX-License-Identifier: Apache-2.0
/**
 * What /api/ws has told: the fleet's numbers, one row per device, the newest commands and alerts.
 * The rules are those of src/control/live/README.md: page 0 of a snapshot forgets all rows, a row
 * of a delta has what changed, null where something became unknown.
 *
 * Rows are kept in one Map that is changed in place; who shows them subscribes to a version, raised
 * at most every 250 ms, so that a flood of deltas costs four renders a second.
 */
export interface LiveDevice {
  id: string;
  alias?: string;
  kind?: string;
  quarantined?: boolean;
  received_at?: number;
  observed_at?: number;
  battery?: number;
  charging?: boolean;
  network?: string;
  power_ok?: boolean;
  fg_package?: string;
  agent_version?: string;
}

export interface LiveFleet {
  at: number;
  devices: number;
  online: number;
  late: number;
  silent: number;
  never: number;
  quarantined: number;
  heartbeats_per_s: number;
  /** Of devices without one of their own. */
  heartbeat_interval_s: number;
  backlog: number;
  storing: boolean;
}

/** Of five seconds that ended at `at`. */
export interface PulsePoint {
  at: number;
  heartbeats_per_s: number;
}

export interface LiveCommand {
  id: string;
  device_id: string;
  type: string;
  state: string;
  at: number;
}

export interface LiveAlert {
  incident_id: string | null;
  alert_id: string | null;
  device_id: string | null;
  rule: string;
  change: string;
  firing_count?: number;
  acked?: boolean;
  at: number;
}

export type ConnectionState = "connecting" | "live" | "catching-up" | "reconnecting" | "off";

export type Message =
  | { type: "welcome"; role: string; topics: string[] }
  | { type: "snapshot"; topic: "devices"; stream: string; page: number; devices: LiveDevice[]; seq: number }
  | { type: "ready"; stream: string; seq: number }
  | {
      type: "delta";
      seq: number;
      devices?: LiveDevice[];
      removed?: string[];
      commands?: LiveCommand[];
      alerts?: LiveAlert[];
      edited?: boolean;
      missed?: boolean;
    }
  | ({ type: "fleet" } & LiveFleet)
  | { type: "pulse"; heartbeats_per_s: [at: number, rate: number][] }
  | { type: "resync"; seq: number }
  | { type: "waiting"; detail: string }
  | { type: "error"; detail: string };

const FLEET_KEPT = 300; // about five minutes of seconds
const NEWEST_KEPT = 200;
const PUBLISH_MS = 250;

type Listener = () => void;
type Heard = (message: Extract<Message, { type: "delta" }>) => void;

export class LiveStore {
  state: ConnectionState = "off";
  detail: string | null = null;
  fleet: LiveFleet | null = null;
  /** Newest last. */
  fleetHistory: LiveFleet[] = [];
  /** The minutes before the channel opened, or was open again; oldest first. */
  pulse: PulsePoint[] = [];
  readonly devices = new Map<string, LiveDevice>();
  /** Newest first. */
  commands: LiveCommand[] = [];
  alerts: LiveAlert[] = [];
  version = 0;
  stream: string | null = null;
  seq = 0;

  private listeners = new Set<Listener>();
  private heard = new Set<Heard>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  /** The stream begins anew: what happened between a page's requests and its `ready`, nobody has told. */
  private anew = true;

  subscribe = (listener: Listener): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Each delta as it comes: to invalidate what was read by requests. */
  onDelta(heard: Heard): () => void {
    this.heard.add(heard);
    return () => this.heard.delete(heard);
  }

  setState(state: ConnectionState, detail: string | null = null): void {
    if (this.state === state && this.detail === detail) return;
    this.state = state;
    this.detail = detail;
    this.publishNow();
  }

  take(message: Message): void {
    switch (message.type) {
      case "snapshot":
        if (message.page === 0) {
          this.devices.clear();
          this.anew = true;
        }
        for (const row of message.devices) this.devices.set(row.id, clean({ ...row }));
        break;
      case "ready":
        this.takeReady(message);
        break;
      case "delta":
        this.takeDelta(message);
        break;
      case "fleet":
        this.fleet = message;
        this.fleetHistory = [...this.fleetHistory.slice(-FLEET_KEPT + 1), message];
        break;
      case "pulse":
        this.pulse = message.heartbeats_per_s.map(([at, rate]) => ({ at, heartbeats_per_s: rate }));
        break;
      case "resync":
        this.anew = true;
        this.setState("catching-up");
        break;
      case "waiting":
        this.setState("catching-up", message.detail);
        break;
      case "welcome":
      case "error":
        return;
    }
    this.publishSoon();
  }

  private takeReady({ stream, seq }: Extract<Message, { type: "ready" }>): void {
    const anew = this.anew || this.stream !== stream;
    this.stream = stream;
    this.seq = seq;
    this.anew = false;
    this.setState("live");
    if (anew) for (const heard of this.heard) heard({ type: "delta", seq, missed: true });
  }

  private takeDelta(delta: Extract<Message, { type: "delta" }>): void {
    this.seq = delta.seq;
    for (const row of delta.devices ?? []) this.devices.set(row.id, clean({ ...this.devices.get(row.id), ...row }));
    for (const id of delta.removed ?? []) this.devices.delete(id);
    if (delta.commands) {
      const ids = new Set(delta.commands.map((command) => command.id));
      const rest = this.commands.filter((command) => !ids.has(command.id));
      this.commands = [...delta.commands.toReversed(), ...rest].slice(0, NEWEST_KEPT);
    }
    if (delta.alerts) this.alerts = [...delta.alerts.toReversed(), ...this.alerts].slice(0, NEWEST_KEPT);
    for (const heard of this.heard) heard(delta);
  }

  reset(): void {
    this.devices.clear();
    this.fleet = null;
    this.fleetHistory = [];
    this.pulse = [];
    this.commands = [];
    this.alerts = [];
    this.stream = null;
    this.seq = 0;
    this.anew = true;
    this.publishNow();
  }

  private publishSoon(): void {
    this.timer ??= setTimeout(() => this.publishNow(), PUBLISH_MS);
  }

  private publishNow(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.version++;
    for (const listener of this.listeners) listener();
  }
}

/** null: it became unknown. */
function clean(row: LiveDevice): LiveDevice {
  for (const name of Object.keys(row) as (keyof LiveDevice)[]) if (row[name] === null) delete row[name];
  return row;
}

export const liveStore = new LiveStore();
