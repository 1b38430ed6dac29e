// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { newKey } from "@/lib/new-key";
import { Confirm } from "@/ui/dialog";
import { toast } from "@/ui/toast";
import { CommandForm } from "./command-form";
import type { CommandKind } from "./command-types";
import { keyOf } from "./use-device";

type Command = Schema<"Command">;

export interface ConfirmWipeProps {
  command: Pick<Command, "id" | "device_id" | "device_alias">;
  onClose: () => void;
}

/** The second step: within 5 minutes, by typing the device's name. */
export function ConfirmWipe({ command, onClose }: ConfirmWipeProps) {
  const client = useQueryClient();
  const confirm = async () => {
    await api.post("/admin/commands/{id}/confirm", { path: { id: command.id }, body: { alias: command.device_alias }, idempotencyKey: newKey() });
    await client.invalidateQueries({ queryKey: keyOf(command.device_id, "commands") });
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

/** One click for what needs no form. */
export async function sendNow(deviceId: string, kind: CommandKind, payload: Record<string, never> = {}): Promise<Command> {
  return api.post("/admin/devices/{id}/commands", { path: { id: deviceId }, body: { type: kind.type, payload }, idempotencyKey: newKey() });
}

interface SendProps {
  device: { id: string; alias: string };
  kind: CommandKind;
  onClose: () => void;
  onSent: (command: Command) => void;
}

export function SendCommand({ device, kind, onClose, onSent }: SendProps) {
  const [wipe, setWipe] = useState<Command | null>(null);
  const send = async (payload: Record<string, never>) => {
    const command = await sendNow(device.id, kind, payload);
    onSent(command);
    if (command.state === "awaiting_confirmation") setWipe(command);
    else onClose();
  };
  if (wipe) return <ConfirmWipe command={wipe} onClose={onClose} />;
  return <CommandForm kind={kind} target={device.alias} onSend={send} onCancel={onClose} />;
}
