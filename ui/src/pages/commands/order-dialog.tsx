// SPDX-License-Identifier: Apache-2.0
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { COMMAND_TYPES, commandTitle, ORDER_TYPES, payloadOf, type Draft, type OrderType } from "@/lib/command-words";
import { DevicePicker, type PickedDevice } from "@/lib/device-picker";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, NativeSelect } from "@/ui/field";
import { Failure } from "@/ui/states";
import { toast } from "@/ui/toast";
import { PayloadForm } from "./payload-form";

const TTLS = [
  ["", "As the command has it"],
  ["600", "10 minutes"],
  ["3600", "1 hour"],
  ["86400", "1 day"],
  ["604800", "7 days"],
] as const;

export interface OrderDialogProps {
  onClose: () => void;
  /** The command that was made. */
  onSent: (id: string) => void;
  device?: PickedDevice;
}

/** The same order, sent again after a lost answer, is one order. */
function useOrderKey(order: string): string {
  const key = useRef({ order: "", key: "" });
  if (key.current.order !== order) key.current = { order, key: `order-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 12)}` };
  return key.current.key;
}

/** One command to one device. */
export function OrderDialog({ onClose, onSent, device: given }: OrderDialogProps) {
  const queries = useQueryClient();
  const admin = useMay("admin");
  const [device, setDevice] = useState<PickedDevice | null>(given ?? null);
  const [type, setType] = useState<OrderType>("ping");
  const [draft, setDraft] = useState<Draft>({});
  const [ttl, setTtl] = useState("");
  const { payload, errors, missing } = payloadOf(type, draft);
  const body: Schema<"CommandOrder"> = { type, payload: payload as Schema<"CommandOrder">["payload"], ...(ttl && { ttl_s: Number(ttl) }) };
  const idempotencyKey = useOrderKey(JSON.stringify([device?.id, body]));
  const sending = useMutation({
    mutationFn: (to: PickedDevice) => api.post("/admin/devices/{id}/commands", { path: { id: to.id }, body, idempotencyKey }),
    onSuccess: async (command) => {
      toast.ok(command.state === "awaiting_confirmation" ? `${commandTitle(type)} waits to be confirmed.` : `${commandTitle(type)} is on its way to ${command.device_alias}.`);
      onClose();
      onSent(command.id);
      await queries.invalidateQueries({ queryKey: ["commands"] });
    },
  });
  const ready = device !== null && !missing && Object.keys(errors).length === 0;
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Send a command"
      description="To one device. To many at once: choose them on the devices' page."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant={type === "wipe" ? "danger" : "primary"} busy={sending.isPending} disabled={!ready} onClick={() => device && sending.mutate(device)}>
            {type === "wipe" ? "Ask for the wipe" : "Send"}
          </Button>
        </>
      }
    >
      <div className="grid gap-4">
        <Field label="Device">{(field) => <DevicePicker {...field} value={device} onChange={setDevice} />}</Field>
        <Field label="Command" hint={COMMAND_TYPES[type].does}>
          {(field) => (
            <NativeSelect
              {...field}
              value={type}
              onChange={(event) => {
                setType(event.target.value as OrderType);
                setDraft({});
                sending.reset();
              }}
            >
              {ORDER_TYPES.filter((one) => admin || COMMAND_TYPES[one].role === "operator").map((one) => (
                <option key={one} value={one}>
                  {commandTitle(one)}
                </option>
              ))}
            </NativeSelect>
          )}
        </Field>
        <PayloadForm type={type} draft={draft} onChange={setDraft} errors={errors} error={sending.error} />
        <Field label="Time to be received" hint="Then it expires.">
          {(field) => (
            <NativeSelect {...field} value={ttl} onChange={(event) => setTtl(event.target.value)}>
              {TTLS.map(([value, name]) => (
                <option key={value} value={value}>
                  {name}
                </option>
              ))}
            </NativeSelect>
          )}
        </Field>
        {sending.error && <Failure error={sending.error} />}
      </div>
    </Dialog>
  );
}
