// SPDX-License-Identifier: Apache-2.0
/** What people wrote about the device, and what is known of it since it was enrolled. */
import type { Schema } from "@/api/types";
import { duration } from "@/lib/format";
import { Badge } from "@/ui/badge";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { Code } from "@/ui/copy-button";
import { Fact, Facts } from "@/ui/stat";
import { Time } from "@/ui/time";
import { Editable } from "./editable";
import type { Device } from "./use-device";

type Change = Schema<"DeviceChange">;
const NONE = <span className="text-ink-3">–</span>;

export const tagsOf = (text: string): string[] => [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))];

function intervalOf(typed: string): Change {
  if (!typed.trim()) return { heartbeat_interval_s: null };
  const seconds = Number(typed);
  const fits = Number.isInteger(seconds) && seconds >= 10 && seconds <= 86_400;
  if (!fits) throw new Error("The interval is a whole number of seconds from 10 to 86,400.");
  return { heartbeat_interval_s: seconds };
}

export function DetailsCard({ device }: { device: Device }) {
  const tags = device.tags ?? [];
  const interval = device.heartbeat_interval_s ?? null;
  return (
    <Card>
      <CardHeader title="About it" />
      <CardBody>
        <Facts>
          <Editable
            device={device}
            name="Site"
            kind="sites"
            text={({ site }) => site ?? ""}
            shown={device.site ?? NONE}
            change={(typed) => ({ site: typed.trim() || null })}
          />
          <Editable
            device={device}
            name="Tags"
            kind="tags"
            hint="Several with commas."
            text={(one) => one.tags.join(", ")}
            shown={
              tags.length ? (
                <span className="flex flex-wrap gap-1">
                  {tags.map((tag) => (
                    <Badge key={tag}>{tag}</Badge>
                  ))}
                </span>
              ) : (
                NONE
              )
            }
            change={(typed) => ({ tags: tagsOf(typed) })}
          />
          <Editable
            device={device}
            name="Notes"
            kind="lines"
            hint="Ctrl and Enter keeps them."
            text={({ notes }) => notes ?? ""}
            shown={device.notes || NONE}
            change={(typed) => ({ notes: typed.trim() || null })}
          />
          <Editable
            device={device}
            name="Reports every"
            kind="number"
            hint="Seconds; empty: as the fleet does."
            text={(one) => String(one.heartbeat_interval_s ?? "")}
            shown={interval === null ? "as the fleet does" : duration(interval)}
            change={intervalOf}
          />
          <Fact label="Hardware id">{device.hardware_id ? <Code text={device.hardware_id} /> : NONE}</Fact>
          <Fact label="Address">{device.address ?? NONE}</Fact>
          <Fact label="Enrolled">
            <Time at={device.created_at} /> <span className="text-ink-3">by {device.enrolled_by}</span>
          </Fact>
          <Fact label="Key">version {device.hmac_key_version}</Fact>
          {device.takeover_until && (
            <Fact label="Take-over">
              allowed, ends <Time at={device.takeover_until} />
            </Fact>
          )}
        </Facts>
      </CardBody>
    </Card>
  );
}

const FLAGS: [keyof NonNullable<Device["last"]>, string, string][] = [
  ["device_owner", "Device owner", "It can lock, reboot, install and wipe."],
  ["doze_whitelisted", "Exempt from doze", "The system lets it report while it rests."],
  ["battery_unrestricted", "Battery unrestricted", "The system does not hold it back to save power."],
  ["net_validated", "Internet reachable", "The network leads somewhere."],
];

export function AgentCard({ device }: { device: Device }) {
  const { last } = device;
  const known = FLAGS.filter(([name]) => last?.[name] !== null && last?.[name] !== undefined);
  if (known.length === 0) return null;
  return (
    <Card>
      <CardHeader title="Its agent's standing" hint="What an Android system may keep it from." />
      <CardBody>
        <ul className="grid gap-2 text-sm">
          {known.map(([name, label, hint]) => (
            <li key={name} className="flex items-center justify-between gap-3">
              <span title={hint}>{label}</span>
              <Badge tone={last?.[name] ? "ok" : "warn"}>{last?.[name] ? "yes" : "no"}</Badge>
            </li>
          ))}
          <li className="flex items-center justify-between gap-3">
            <span>Reached by push</span>
            <Badge>{device.has_fcm_token ? "FCM" : "its own channel"}</Badge>
          </li>
        </ul>
      </CardBody>
    </Card>
  );
}
