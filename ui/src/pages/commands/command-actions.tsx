// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { Ban, ShieldAlert } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import { commandTitle } from "@/lib/command-types";
import { canCancel, type Command } from "@/lib/command-words";
import { newKey } from "@/lib/new-key";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { toast } from "@/ui/toast";
import { ConfirmWipe } from "./confirm-wipe";

/** Take it back while the device doesn't have it; confirm a wipe. For operators. */
export function CommandActions({ command }: { command: Command }) {
  const queries = useQueryClient();
  const admin = useMay("admin");
  const [asking, setAsking] = useState<"cancel" | "confirm" | null>(null);
  const read = () => queries.invalidateQueries({ queryKey: ["commands"] });
  const title = commandTitle(command.type);
  const close = (open: boolean) => !open && setAsking(null);
  if (!canCancel(command.state)) return <p className="mr-auto text-xs text-ink-3">The device has it: it can't be taken back any more.</p>;
  return (
    <>
      <Button onClick={() => setAsking("cancel")}>
        <Ban /> Take it back…
      </Button>
      {command.state === "awaiting_confirmation" && admin && (
        <Button variant="danger" onClick={() => setAsking("confirm")}>
          <ShieldAlert /> Confirm the wipe…
        </Button>
      )}
      <Confirm
        open={asking === "cancel"}
        onOpenChange={close}
        title={`Take back: ${title}?`}
        description={`${command.device_alias} won't get it, unless it receives it at this very moment.`}
        action="Take it back"
        onConfirm={async () => {
          await api.post("/admin/commands/{id}/cancel", { path: { id: command.id }, idempotencyKey: newKey() });
          toast.ok(`${title} was taken back.`);
          await read();
        }}
      />
      {asking === "confirm" && <ConfirmWipe command={command} onClose={() => setAsking(null)} />}
    </>
  );
}
