// SPDX-License-Identifier: Apache-2.0
import { useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { api } from "@/api/client";
import { devices } from "@/lib/format";
import { newKey } from "@/lib/new-key";
import { Confirm } from "@/ui/dialog";
import { Field } from "@/ui/field";
import { TagInput } from "@/ui/tag-input";
import { toast } from "@/ui/toast";
import { useSnapshot, type Chosen } from "./snapshot";
import { SnapshotNote } from "./snapshot-note";
import { useNames } from "./use-names";

export function BulkTags({ chosen, onClose }: { chosen: Chosen; onClose: () => void }) {
  const client = useQueryClient();
  const taken = useSnapshot(chosen);
  const known = useNames("tags").map((tag) => tag.name);
  const [add, setAdd] = useState<string[]>([]);
  const [remove, setRemove] = useState<string[]>([]);
  const apply = async () => {
    if (!taken.snapshot) throw new Error("The choice is not kept yet.");
    if (add.length + remove.length === 0) throw new Error("Name a tag to add or to remove.");
    const result = await api.post("/admin/bulk/tags", {
      body: { selection_id: taken.snapshot.id, add, remove },
      idempotencyKey: newKey(),
    });
    await client.invalidateQueries({ queryKey: ["devices"] });
    toast.ok(`${devices(result.changed)} changed${result.unchanged ? `, ${result.unchanged} were so already` : ""}.`);
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title="Change tags"
      description="Enter or a comma ends a tag. What isn't named here stays as it is."
      action="Apply"
      onConfirm={apply}
    >
      <SnapshotNote taken={taken} />
      <Field label="Add to each of them">
        {(field) => <TagInput {...field} values={add} onChange={setAdd} suggestions={known} placeholder="night shift" />}
      </Field>
      <Field label="Take from each of them">
        {(field) => <TagInput {...field} values={remove} onChange={setRemove} suggestions={known} />}
      </Field>
    </Confirm>
  );
}
