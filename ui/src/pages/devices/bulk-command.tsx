// SPDX-License-Identifier: Apache-2.0
import { useState } from "react";
import { useNavigate } from "react-router";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import type { CommandType } from "@/lib/command-types";
import { devices } from "@/lib/format";
import { newKey } from "@/lib/new-key";
import { CommandForm, type Order } from "@/pages/commands/command-form";
import { Confirm } from "@/ui/dialog";
import { toast } from "@/ui/toast";
import { countOf, useSnapshot, type Chosen } from "./snapshot";
import { SnapshotNote } from "./snapshot-note";

type Made = Schema<"BulkCommandMade">;

function told(made: Made): string {
  const parts = [`${devices(made.device_count)} will get it.`];
  if (made.skipped_count) parts.push(`${made.skipped_count} can't and are left out.`);
  if (made.withheld_count) parts.push(`${made.withheld_count} are in quarantine and wait.`);
  return parts.join(" ");
}

function WipeConfirm({ made, onClose, onDone }: { made: Made; onClose: () => void; onDone: () => void }) {
  const text = made.confirm ?? "";
  const confirm = async () => {
    const changed = await api.post("/admin/bulk-commands/{id}/confirm", {
      path: { id: made.bulk_id },
      body: { confirm: text },
      idempotencyKey: newKey(),
    });
    toast.ok(`${devices(changed.changed_count)} will be wiped.`);
    onDone();
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Wipe ${devices(made.device_count)}?`}
      description={`${told(made)} Everything on them is lost for good. Without your word within 5 minutes nothing happens.`}
      action="Wipe for good"
      danger
      typeToConfirm={text}
      onConfirm={confirm}
    />
  );
}

export interface BulkCommandProps {
  chosen: Chosen;
  type: CommandType;
  onClose: () => void;
  onDone: () => void;
}

export function BulkCommand({ chosen, type, onClose, onDone }: BulkCommandProps) {
  const taken = useSnapshot(chosen);
  const navigate = useNavigate();
  const [wipe, setWipe] = useState<Made | null>(null);
  const show = (made: Made) => {
    onDone();
    onClose();
    void navigate(`/commands?bulk_id=${made.bulk_id}`);
  };
  const send = async (order: Order, idempotencyKey: string) => {
    if (!taken.snapshot) throw new Error("The choice is not kept yet.");
    const made = await api.post("/admin/commands", { body: { ...order, selection_id: taken.snapshot.id }, idempotencyKey });
    if (made.state === "awaiting_confirmation") {
      setWipe(made);
      return;
    }
    toast.ok(`${type.title}: ${told(made)}`);
    show(made);
  };
  if (wipe) return <WipeConfirm made={wipe} onClose={onClose} onDone={() => show(wipe)} />;
  return (
    <CommandForm
      type={type}
      target={devices(taken.snapshot?.count ?? countOf(chosen))}
      onCancel={onClose}
      onSend={send}
      ready={taken.snapshot !== null && taken.snapshot.count > 0}
    >
      <SnapshotNote taken={taken} />
    </CommandForm>
  );
}
