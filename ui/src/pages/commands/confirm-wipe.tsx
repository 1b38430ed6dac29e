// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { api } from "@/api/client";
import type { Command } from "@/lib/command-words";
import { newKey } from "@/lib/new-key";
import { Confirm } from "@/ui/dialog";
import { toast } from "@/ui/toast";

export interface ConfirmWipeProps {
  command: Pick<Command, "id" | "device_alias">;
  onClose: () => void;
}

/** The second step: within 5 minutes, by typing the device's name. */
export function ConfirmWipe({ command, onClose }: ConfirmWipeProps) {
  const client = useQueryClient();
  const confirm = async () => {
    const asked = { path: { id: command.id }, body: { alias: command.device_alias }, idempotencyKey: newKey() };
    await api.post("/admin/commands/{id}/confirm", asked);
    await client.invalidateQueries({ queryKey: ["commands"] });
    toast.ok(`${command.device_alias} will be wiped.`);
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Wipe ${command.device_alias}?`}
      description="Everything on the device is lost for good. Without your word within 5 minutes nothing happens."
      action="Wipe for good"
      danger
      typeToConfirm={command.device_alias}
      onConfirm={confirm}
    />
  );
}
