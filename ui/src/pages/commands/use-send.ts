// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import { commandTitle } from "@/lib/command-types";
import type { Command } from "@/lib/command-words";
import { toast } from "@/ui/toast";
import type { Order } from "./command-form";

/** Sends one command to one device. `toConfirm`: it waits for its second step. */
export function useSend(onSent: (command: Command) => void) {
  const client = useQueryClient();
  const [toConfirm, setToConfirm] = useState<Command | null>(null);
  const send = async (deviceId: string, body: Order, idempotencyKey: string) => {
    const command = await api.post("/admin/devices/{id}/commands", { path: { id: deviceId }, body, idempotencyKey });
    void client.invalidateQueries({ queryKey: ["commands"] });
    if (command.state === "awaiting_confirmation") setToConfirm(command);
    else toast.ok(`${commandTitle(command.type)}: on its way to ${command.device_alias}.`);
    onSent(command);
  };
  return { send, toConfirm };
}
