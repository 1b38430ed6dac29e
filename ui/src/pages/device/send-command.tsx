// SPDX-License-Identifier: Apache-2.0
/** A click for a ping, a form for the rest, a second step for a wipe; then one sees what becomes of it. */
import { useState } from "react";
import { useNavigate } from "react-router";
import type { CommandType } from "@/lib/command-types";
import { newKey } from "@/lib/new-key";
import { CommandForm } from "@/pages/commands/command-form";
import { ConfirmWipe } from "@/pages/commands/confirm-wipe";
import { useSend } from "@/pages/commands/use-send";
import { toast } from "@/ui/toast";
import type { Device } from "./use-device";

export function useSending(device: Pick<Device, "id" | "alias">) {
  const navigate = useNavigate();
  const [type, setType] = useState<CommandType | null>(null);
  const [confirming, setConfirming] = useState(false);
  const { send, toConfirm } = useSend((command) => {
    setType(null);
    setConfirming(command.state === "awaiting_confirmation");
    void navigate(`/devices/${device.id}/commands`);
  });
  const choose = (chosen: CommandType) => {
    if (chosen.direct) send(device.id, { type: chosen.type }, newKey()).catch(toast.failed);
    else setType(chosen);
  };
  const dialog = (
    <>
      {type && (
        <CommandForm
          type={type}
          target={device.alias}
          onCancel={() => setType(null)}
          onSend={(order, key) => send(device.id, order, key)}
        />
      )}
      {confirming && toConfirm && <ConfirmWipe command={toConfirm} onClose={() => setConfirming(false)} />}
    </>
  );
  return { choose, dialog };
}
