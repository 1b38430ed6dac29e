// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { Ban, ShieldAlert } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import { commandTitle } from "@/lib/command-types";
import { progressOf } from "@/lib/command-words";
import { count } from "@/lib/format";
import { newKey } from "@/lib/new-key";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { toast } from "@/ui/toast";
import type { Bulk } from "./bulk-progress";

/** Take back those that were not received; confirm a wipe of all of them. */
export function BulkActions({ bulk }: { bulk: Bulk }) {
  const queries = useQueryClient();
  const admin = useMay("admin");
  const [asking, setAsking] = useState<"cancel" | "confirm" | null>(null);
  const path = { id: bulk.id };
  const open = progressOf(bulk.states).canCancel;
  const waiting = bulk.states.awaiting_confirmation;
  const title = commandTitle(bulk.type);
  const words = `${bulk.type} ${bulk.device_count}`;
  const close = (next: boolean) => !next && setAsking(null);
  const read = () => queries.invalidateQueries({ queryKey: ["commands"] });
  return (
    <>
      <Button size="sm" onClick={() => setAsking("cancel")}>
        <Ban /> Take back {count(open)}…
      </Button>
      {waiting > 0 && admin && (
        <Button size="sm" variant="danger" onClick={() => setAsking("confirm")}>
          <ShieldAlert /> Confirm…
        </Button>
      )}
      <Confirm
        open={asking === "cancel"}
        onOpenChange={close}
        title={`Take back ${count(open)} commands?`}
        description="Those that their devices have already go on."
        action="Take them back"
        onConfirm={async () => {
          const { changed_count } = await api.post("/admin/bulk-commands/{id}/cancel", { path, idempotencyKey: newKey() });
          toast.ok(`${count(changed_count)} were taken back.`);
          await read();
        }}
      />
      <Confirm
        open={asking === "confirm"}
        onOpenChange={close}
        title={`${title}: ${count(waiting)} devices?`}
        description="All that is on them is erased. This can't be undone."
        action={title}
        typeToConfirm={words}
        danger
        onConfirm={async () => {
          const asked = { path, body: { confirm: words }, idempotencyKey: newKey() };
          const { changed_count } = await api.post("/admin/bulk-commands/{id}/confirm", asked);
          toast.ok(`Confirmed: ${count(changed_count)} devices get it.`);
          await read();
        }}
      />
    </>
  );
}
