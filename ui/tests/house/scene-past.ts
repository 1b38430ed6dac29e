// SPDX-License-Identifier: Apache-2.0
/** What the scene's appliance would remember if its devices had been there for weeks, as SQL. */
import type { Member } from "./scene-fleet";
import type { DeviceOf } from "./scene-people";

const text = (value: string) => `'${value.replaceAll("'", "''")}'`;

/** Heartbeats came when they were observed; devices and orders were not all made within the same second. */
function spread(): string {
  return `
    UPDATE heartbeats SET received_at = observed_at + interval '180 ms';
    UPDATE device_last_status SET received_at = observed_at + interval '180 ms';
    UPDATE devices SET created_at = created_at - (id % 60) * interval '17 hours' - interval '9 days';
    UPDATE devices SET first_seen_at = created_at + interval '4 minutes' WHERE first_seen_at IS NOT NULL;
    UPDATE users SET created_at = created_at - (20 + id) * interval '1 day';
    UPDATE commands SET
        created_at = created_at - (20 - id % 20) * interval '6 minutes',
        queued_at = queued_at - (20 - id % 20) * interval '6 minutes',
        sent_at = sent_at - (20 - id % 20) * interval '6 minutes',
        received_at = received_at - (20 - id % 20) * interval '6 minutes' + interval '2 s',
        finished_at = finished_at - (20 - id % 20) * interval '6 minutes' + interval '5 s',
        result_at = result_at - (20 - id % 20) * interval '6 minutes' + interval '5 s'
        WHERE state IN ('done', 'failed', 'cancelled');`;
}

/** The order that nobody took in time. */
function expired(device: string): string {
  return `
    UPDATE commands SET state = 'expired', created_at = now() - interval '26 hours', queued_at = now() - interval '26 hours',
        finished_at = now() - interval '2 hours', expires_at = now() - interval '2 hours', error = 'the device did not take it in time'
    WHERE device_id = ${device} AND type = 'nudge_update';`;
}

interface Silence {
  where: { kind: "site" | "device"; key: string };
  devices: string[];
  minutes: number;
  acked?: { by: string; note: string };
}

const LOST = { by: "user:mira.vogt", note: "Lost on the ferry; wipe ordered." };

/** Devices that fell silent and are: one incident, open. */
function outage({ where, devices, minutes, acked }: Silence): string {
  const fired = `now() - interval '${minutes - 12} minutes'`;
  const since = `now() - interval '${minutes} minutes'`;
  const one = where.kind === "device" ? (devices[0] ?? "NULL") : "NULL";
  const members = devices.map(
    (device) => `
      INSERT INTO alerts (device_id, incident_id, pending_at, fired_at, value, threshold, episode, state, rule, severity)
      SELECT ${device}, max(id), ${since}, ${fired}, 720, 720, 1, 'firing', 'offline', 'critical' FROM alert_incidents;
      INSERT INTO alert_events (at, incident_id, alert_id, device_id, episode, kind, rule, actor)
      SELECT ${fired}, max(incident_id), max(id), ${device}, 1, 'fired', 'offline', 'appliance' FROM alerts;`,
  );
  return `
    INSERT INTO alert_incidents (opened_at, updated_at, device_id, alert_count, firing_count, kind, grouped_by, group_key, rule,
        severity, acked_at, acked_by, ack_note)
    VALUES (${fired}, ${fired}, ${one}, ${devices.length}, ${devices.length}, '${where.kind}', 'site', ${text(where.key)}, 'offline',
        'critical', ${acked ? `now() - interval '20 hours', ${text(acked.by)}, ${text(acked.note)}` : "NULL, NULL, NULL"});
    INSERT INTO alert_events (at, incident_id, kind, rule, actor)
    SELECT ${fired}, max(id), 'opened', 'offline', 'appliance' FROM alert_incidents;
    ${members.join("")}`;
}

/** What was and is over: n times, spread over the last day. */
function over(device: string, rule: string, severity: string, value: number, threshold: number, hoursAgo: number, minutes: number): string {
  const fired = `now() - interval '${hoursAgo} hours'`;
  const ended = `${fired} + interval '${minutes} minutes'`;
  return `
    INSERT INTO alert_incidents (opened_at, updated_at, closed_at, device_id, alert_count, firing_count, kind, grouped_by, group_key,
        rule, severity)
    VALUES (${fired}, ${ended}, ${ended}, ${device}, 1, 0, 'device', '', '', '${rule}', '${severity}');
    INSERT INTO alerts (device_id, incident_id, pending_at, fired_at, resolved_at, value, threshold, episode, state, rule,
        severity, resolved_by)
    SELECT ${device}, max(id), ${fired}, ${fired}, ${ended}, ${value}, ${threshold},
        1 + coalesce((SELECT max(episode) FROM alerts WHERE device_id = ${device} AND rule = '${rule}'), 0), 'resolved',
        '${rule}', '${severity}', 'recovered'
    FROM alert_incidents;
    INSERT INTO alert_events (at, incident_id, alert_id, device_id, episode, kind, rule, actor)
    SELECT ${fired}, incident_id, id, device_id, episode, 'fired', rule, 'appliance' FROM alerts ORDER BY id DESC LIMIT 1;
    INSERT INTO alert_events (at, incident_id, alert_id, device_id, episode, kind, rule, actor)
    SELECT ${ended}, incident_id, id, device_id, episode, 'resolved', rule, 'appliance' FROM alerts ORDER BY id DESC LIMIT 1;`;
}

/** The days before yesterday, which musterd makes no partition for by itself: alerts were there then. */
function daysOfAlerts(): string {
  return [3, 2, 1]
    .map((back) => {
      const day = new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10);
      const name = `alert_events_${day.replaceAll("-", "")}`;
      const range = `'${day} 00:00Z', timestamptz '${day} 00:00Z' + interval '1 day'`;
      return `
        CREATE TABLE IF NOT EXISTS ${name} PARTITION OF alert_events
            FOR VALUES FROM ('${day} 00:00Z') TO (timestamptz '${day} 00:00Z' + interval '1 day');
        INSERT INTO partition_registry (parent, partition, range_from, range_to) VALUES ('alert_events', '${name}', ${range})
        ON CONFLICT DO NOTHING;`;
    })
    .join("");
}

/** Three days old enough for the archive, with everybody's heartbeats of every ten minutes. */
function oldDays(): string {
  return [12, 11, 10]
    .map((back) => {
      const day = new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10);
      const name = `heartbeats_${day.replaceAll("-", "")}`;
      return `
        CREATE TABLE ${name} (LIKE heartbeats INCLUDING DEFAULTS INCLUDING INDEXES);
        INSERT INTO ${name} (device_id, bucket, received_at, observed_at, clock_offset_s, flags, battery, network)
        SELECT d.id, t, t, t, 0, 0, 60 + extract(hour FROM t)::int, 'wifi' FROM devices d, generate_series(timestamptz '${day} 00:00Z',
            timestamptz '${day} 23:50Z', '10 minutes') t;
        ALTER TABLE heartbeats ATTACH PARTITION ${name}
            FOR VALUES FROM ('${day} 00:00Z') TO (timestamptz '${day} 00:00Z' + interval '1 day');
        INSERT INTO partition_registry (parent, partition, range_from, range_to)
        VALUES ('heartbeats', '${name}', '${day} 00:00Z', timestamptz '${day} 00:00Z' + interval '1 day');`;
    })
    .join("");
}

export function past(fleet: Member[], of: DeviceOf): string {
  const id = (alias: string) => of(alias).device_id;
  const quiet = fleet.filter(({ condition, site }) => condition === "silent" && site === "Bremen").map(({ alias }) => id(alias));
  return [
    "SET TIME ZONE 'UTC'; SET client_min_messages = warning; BEGIN;",
    spread(),
    daysOfAlerts(),
    expired(id("Tablet Ute")),
    over(id("Tablet Paula"), "low_battery", "warning", 12, 15, 7, 95),
    over(id("Scanner Hamburg 5"), "offline", "critical", 720, 720, 11, 18),
    over(id("Tablet Kerem"), "service_down", "critical", 14, 10, 15, 6),
    over(id("Tablet Goran"), "service_down", "critical", 12, 10, 20, 9),
    over(id("Customs PC"), "offline", "critical", 720, 720, 22, 240),
    outage({ where: { kind: "device", key: "Kiel" }, devices: [id("Tablet Ute")], minutes: 60 * 31, acked: LOST }),
    outage({ where: { kind: "site", key: "Bremen" }, devices: quiet, minutes: 47 }),
    oldDays(),
    "COMMIT;",
  ].join("\n");
}
