// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { Pen, Plus, Tag, TabletSmartphone, Trash2 } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import type { PickedDevice } from "@/lib/device-picker";
import { useKeyset } from "@/lib/keyset";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Failure, Skeleton } from "@/ui/states";
import { toast } from "@/ui/toast";
import { OverrideDialog } from "./override-dialog";
import { whatDiffers, type AlertRule, type Layer } from "./rule-words";

export interface Override {
  tag?: string;
  device?: PickedDevice;
  values: Layer;
}

const PAGE = 100;
const nameOf = (one: Override) => one.device?.alias ?? one.tag ?? "";

function Line({ one, rule, onEdit, onRemove }: { one: Override; rule: AlertRule; onEdit: () => void; onRemove: () => void }) {
  const admin = useMay("admin");
  const Icon = one.device ? TabletSmartphone : Tag;
  return (
    <li className="flex items-center gap-3 py-2.5">
      <Icon className="size-4 shrink-0 text-ink-3" aria-label={one.device ? "Device" : "Tag"} />
      <div className="min-w-0 grow">
        <p className="truncate text-sm font-medium">
          {nameOf(one)}
          {one.tag !== undefined && one.values.priority !== 0 && (
            <span className="ml-2 text-xs font-normal text-ink-3">priority {one.values.priority}</span>
          )}
        </p>
        <p className="text-xs text-ink-2">{whatDiffers(rule, one.values)}</p>
      </div>
      {admin && (
        <>
          <Button variant="ghost" size="icon-sm" aria-label={`Change it for ${nameOf(one)}`} onClick={onEdit}>
            <Pen />
          </Button>
          <Button variant="ghost" size="icon-sm" aria-label={`Take it back for ${nameOf(one)}`} onClick={onRemove}>
            <Trash2 />
          </Button>
        </>
      )}
    </li>
  );
}

/** Tags and devices with values of their own. */
export function RuleOverrides({ rule }: { rule: AlertRule }) {
  const queries = useQueryClient();
  const admin = useMay("admin");
  const [editing, setEditing] = useState<Override | "new" | null>(null);
  const [removing, setRemoving] = useState<Override | null>(null);
  const { rows, query } = useKeyset<Override>(["alerts", "rules", rule.rule, "overrides"], async (cursor, signal) => {
    const page = await api.get("/admin/alert-rules/{rule}/overrides", {
      path: { rule: rule.rule },
      query: { cursor, limit: PAGE },
      signal,
    });
    const devices = page.devices.map(({ device_id, device_alias, values }) => ({
      device: { id: device_id, alias: device_alias ?? device_id },
      values,
    }));
    return { rows: [...(cursor ? [] : page.tags), ...devices], next: page.next_cursor };
  });
  const remove = async (one: Override) => {
    if (one.device) await api.delete("/admin/alert-rules/{rule}/devices/{id}", { path: { rule: rule.rule, id: one.device.id } });
    else await api.delete("/admin/alert-rules/{rule}/tags/{tag}", { path: { rule: rule.rule, tag: one.tag ?? "" } });
    toast.ok(`${nameOf(one)} is as all others again.`);
    await queries.invalidateQueries({ queryKey: ["alerts", "rules"] });
  };
  return (
    <section aria-label="Where it differs" className="grid gap-2">
      <div className="flex items-end justify-between gap-3">
        <div>
          <h3 className="text-sm font-semibold">Where it differs</h3>
          <p className="mt-0.5 text-xs text-ink-3">A device's own values win over its tags', and those over the fleet's.</p>
        </div>
        {admin && (
          <Button size="sm" onClick={() => setEditing("new")}>
            <Plus /> Add
          </Button>
        )}
      </div>
      {query.error && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.isPending && !query.error && <Skeleton className="h-14" />}
      {query.data && rows.length === 0 && <p className="py-2 text-sm text-ink-3">It is the same for every device.</p>}
      <ul className="divide-y divide-line">
        {rows.map((one) => (
          <Line
            key={one.device ? `d${one.device.id}` : `t${one.tag}`}
            one={one}
            rule={rule}
            onEdit={() => setEditing(one)}
            onRemove={() => setRemoving(one)}
          />
        ))}
      </ul>
      {query.hasNextPage && (
        <Button size="sm" className="w-fit" busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          More devices
        </Button>
      )}
      {editing && <OverrideDialog rule={rule} override={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
      <Confirm
        open={removing !== null}
        onOpenChange={(open) => !open && setRemoving(null)}
        title={`Take back what ${removing ? nameOf(removing) : ""} has?`}
        description={`${rule.title} is judged there as for all others again.`}
        action="Take back"
        onConfirm={async () => {
          if (removing) await remove(removing);
        }}
      />
    </section>
  );
}
