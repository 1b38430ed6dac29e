// SPDX-License-Identifier: Apache-2.0
/** What people wrote about the device, to be changed where it stands. */
import { useQueryClient } from "@tanstack/react-query";
import { Check, Pencil, X } from "lucide-react";
import { useState, type FormEvent, type ReactNode } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { duration } from "@/lib/format";
import { NameInput } from "@/pages/devices/filter-popover";
import { useMay } from "@/session/session";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { Code } from "@/ui/copy-button";
import { Input, Textarea } from "@/ui/field";
import { Fact, Facts } from "@/ui/stat";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";
import { keyOf, type Device } from "./use-device";

type Change = Schema<"DeviceChange">;
const NONE = <span className="text-ink-3">–</span>;

export const tagsOf = (text: string): string[] => [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))];

interface EditableProps {
  name: string;
  shown: ReactNode;
  initial: string;
  /** Throws an Error that says what is wrong. */
  change: (typed: string) => Change;
  device: Device;
  kind?: "sites" | "tags" | "lines" | "number";
  hint?: string;
}

function Editor({ name, initial, change, device, kind, hint, onClose }: EditableProps & { onClose: () => void }) {
  const client = useQueryClient();
  const [typed, setTyped] = useState(initial);
  const [busy, setBusy] = useState(false);
  const save = async (event?: FormEvent) => {
    event?.preventDefault();
    setBusy(true);
    try {
      const body = change(typed);
      const answer = await api.patch("/admin/devices/{id}", { path: { id: device.id }, body });
      client.setQueryData<Device>(keyOf(device.id, "device"), (was) => (was ? { ...was, ...answer } : was));
      void client.invalidateQueries({ queryKey: ["devices", "list"] });
      onClose();
    } catch (error) {
      toast.failed(error);
    } finally {
      setBusy(false);
    }
  };
  const field = {
    autoFocus: true,
    "aria-label": name,
    value: typed,
    onChange: (event: { target: { value: string } }) => setTyped(event.target.value),
    onKeyDown: (event: React.KeyboardEvent) => {
      if (event.key === "Escape") onClose();
      if (event.key === "Enter" && kind === "lines" && (event.ctrlKey || event.metaKey)) void save();
    },
  };
  return (
    <form className="grid gap-1" onSubmit={(event) => void save(event)}>
      <div className="flex items-start gap-1">
        {kind === "lines" ? (
          <Textarea {...field} maxLength={4000} />
        ) : kind === "sites" || kind === "tags" ? (
          <NameInput of={kind} className="h-8" {...field} />
        ) : (
          <Input className="h-8" inputMode="numeric" {...field} />
        )}
        <Button type="submit" size="icon-sm" variant="ghost" busy={busy} aria-label={`Keep ${name.toLowerCase()}`}>
          {!busy && <Check />}
        </Button>
        <Button size="icon-sm" variant="ghost" aria-label="Leave it as it was" onClick={onClose}>
          <X />
        </Button>
      </div>
      {hint && <p className="text-xs text-ink-3">{hint}</p>}
    </form>
  );
}

function Editable(props: EditableProps) {
  const [editing, setEditing] = useState(false);
  const may = useMay("operator") && !props.device.deleted_at;
  return (
    <Fact label={props.name}>
      {editing ? (
        <Editor {...props} onClose={() => setEditing(false)} />
      ) : (
        <span className="group flex items-start gap-1.5">
          <span className="min-w-0 break-words whitespace-pre-line">{props.shown}</span>
          {may && (
            <button
              type="button"
              aria-label={`Change ${props.name.toLowerCase()}`}
              className="-my-1 grid size-7 shrink-0 place-items-center rounded-control text-ink-3 hover:bg-surface-2 hover:text-ink"
              onClick={() => setEditing(true)}
            >
              <Pencil className="size-3.5" />
            </button>
          )}
        </span>
      )}
    </Fact>
  );
}

function intervalOf(typed: string): Change {
  if (!typed.trim()) return { heartbeat_interval_s: null };
  const seconds = Number(typed);
  if (!Number.isInteger(seconds) || seconds < 10 || seconds > 86_400) throw new Error("The interval is a whole number of seconds from 10 to 86,400.");
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
          <Editable device={device} name="Site" kind="sites" initial={device.site ?? ""} shown={device.site ?? NONE} change={(typed) => ({ site: typed.trim() || null })} />
          <Editable
            device={device}
            name="Tags"
            kind="tags"
            hint="Several with commas."
            initial={tags.join(", ")}
            shown={tags.length ? <span className="flex flex-wrap gap-1">{tags.map((tag) => <Badge key={tag}>{tag}</Badge>)}</span> : NONE}
            change={(typed) => ({ tags: tagsOf(typed) })}
          />
          <Editable device={device} name="Notes" kind="lines" initial={device.notes ?? ""} shown={device.notes || NONE} change={(typed) => ({ notes: typed.trim() || null })} />
          <Editable
            device={device}
            name="Reports every"
            kind="number"
            hint="Seconds; empty: as the fleet does."
            initial={interval === null ? "" : String(interval)}
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
