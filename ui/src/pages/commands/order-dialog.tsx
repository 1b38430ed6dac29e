// SPDX-License-Identifier: Apache-2.0
import { useState } from "react";
import { COMMAND_TYPES, commandType, type OrderType } from "@/lib/command-types";
import type { Command } from "@/lib/command-words";
import { DevicePicker, type PickedDevice } from "@/lib/device-picker";
import { useMay } from "@/session/session";
import { Field, NativeSelect } from "@/ui/field";
import { CommandForm } from "./command-form";
import { ConfirmWipe } from "./confirm-wipe";
import { useSend } from "./use-send";

export interface OrderDialogProps {
  onClose: () => void;
  /** The command that was made. */
  onSent: (command: Command) => void;
}

/** Any command to any one device. */
export function OrderDialog({ onClose, onSent }: OrderDialogProps) {
  const admin = useMay("admin");
  const [device, setDevice] = useState<PickedDevice | null>(null);
  const [type, setType] = useState<OrderType>("ping");
  const leave = (command: Command) => {
    onClose();
    onSent(command);
  };
  const { send, toConfirm } = useSend((command) => {
    if (command.state !== "awaiting_confirmation") leave(command);
  });
  if (toConfirm) return <ConfirmWipe command={toConfirm} onClose={() => leave(toConfirm)} />;
  return (
    <CommandForm
      type={commandType(type)}
      title="Send a command"
      target={device?.alias ?? ""}
      ready={device !== null}
      onCancel={onClose}
      onSend={async (order, key) => {
        if (device) await send(device.id, order, key);
      }}
    >
      <Field label="Device" hint="To many at once: choose them on the devices' page.">
        {(field) => <DevicePicker {...field} value={device} onChange={setDevice} />}
      </Field>
      <Field label="Command">
        {(field) => (
          <NativeSelect {...field} value={type} onChange={(event) => setType(event.target.value as OrderType)}>
            {COMMAND_TYPES.filter((one) => admin || one.role === "operator").map((one) => (
              <option key={one.type} value={one.type}>
                {one.title}
              </option>
            ))}
          </NativeSelect>
        )}
      </Field>
    </CommandForm>
  );
}
