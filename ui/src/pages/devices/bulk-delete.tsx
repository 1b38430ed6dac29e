// SPDX-License-Identifier: Apache-2.0
import { useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { api } from "@/api/client";
import { devices } from "@/lib/format";
import { CheckField } from "@/ui/checkbox";
import { Confirm } from "@/ui/dialog";
import { toast } from "@/ui/toast";
import { countOf, useSnapshot, type Chosen } from "./snapshot";
import { SnapshotNote } from "./snapshot-note";

const WHAT_GOES =
  "Their tokens end at once, and their status, events, alerts and waiting commands are lost for good. " +
  "The hardware can be registered again, as new devices.";

export function BulkDelete({ chosen, onClose, onDone }: { chosen: Chosen; onClose: () => void; onDone: () => void }) {
  const client = useQueryClient();
  const taken = useSnapshot(chosen);
  const [purge, setPurge] = useState(false);
  const { snapshot } = taken;
  const remove = async () => {
    if (!snapshot) throw new Error("The choice is not kept yet.");
    const result = await api.post("/admin/bulk/delete", {
      body: { selection_id: snapshot.id, confirm: snapshot.confirm ?? "", purge_history: purge },
    });
    onDone();
    await client.invalidateQueries({ queryKey: ["devices"] });
    toast.ok(`${devices(result.devices)} deleted.${result.finished ? "" : " The rest follows in the background."}`);
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Delete ${devices(snapshot?.count ?? countOf(chosen))}?`}
      description={WHAT_GOES}
      action="Delete for good"
      danger
      typeToConfirm={snapshot?.confirm ?? "…"}
      onConfirm={remove}
    >
      <SnapshotNote taken={taken} />
      <CheckField
        label="Their history too"
        hint="Every heartbeat they ever sent is removed, in the background. Without it, history stays until its time is over."
        checked={purge}
        onChange={setPurge}
      />
    </Confirm>
  );
}
