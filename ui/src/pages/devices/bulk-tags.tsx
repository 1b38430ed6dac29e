// SPDX-License-Identifier: Apache-2.0
import { useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { api } from "@/api/client";
import { newKey } from "@/lib/new-key";
import { Confirm } from "@/ui/dialog";
import { Field } from "@/ui/field";
import { toast } from "@/ui/toast";
import { NameInput } from "./filter-popover";
import { useSnapshot, type Chosen } from "./snapshot";
import { devices, SnapshotNote } from "./snapshot-note";

export const namesOf = (text: string): string[] => [...new Set(text.split(",").map((name) => name.trim()).filter(Boolean))];

export function BulkTags({ chosen, onClose }: { chosen: Chosen; onClose: () => void }) {
  const client = useQueryClient();
  const taken = useSnapshot(chosen);
  const [add, setAdd] = useState("");
  const [remove, setRemove] = useState("");
  const apply = async () => {
    if (!taken.snapshot) throw new Error("The choice is not kept yet.");
    if (namesOf(add).length + namesOf(remove).length === 0) throw new Error("Name a tag to add or to remove.");
    const result = await api.post("/admin/bulk/tags", {
      body: { selection_id: taken.snapshot.id, add: namesOf(add), remove: namesOf(remove) },
      idempotencyKey: newKey(),
    });
    await client.invalidateQueries({ queryKey: ["devices"] });
    toast.ok(`${devices(result.changed)} changed, ${result.unchanged} were so already.`);
  };
  return (
    <Confirm open onOpenChange={(open) => !open && onClose()} title="Change tags" description="Several with commas." action="Apply" onConfirm={apply}>
      <SnapshotNote taken={taken} />
      <Field label="Add">{(ids) => <NameInput {...ids} of="tags" value={add} onChange={(event) => setAdd(event.target.value)} />}</Field>
      <Field label="Remove">{(ids) => <NameInput {...ids} of="tags" value={remove} onChange={(event) => setRemove(event.target.value)} />}</Field>
    </Confirm>
  );
}
