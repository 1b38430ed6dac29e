// SPDX-License-Identifier: Apache-2.0
/** Two machines seem to use one token: a person decides which of it is true. */
import { useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useState, type ReactNode } from "react";
import { api } from "@/api/client";
import { cn } from "@/lib/cn";
import { newKey } from "@/lib/new-key";
import { useMay } from "@/session/session";
import { Confirm } from "@/ui/dialog";
import { toast } from "@/ui/toast";

interface Named {
  id: string;
  alias: string;
}

type Resolve = (device: Named) => void;
type Decision = "trust" | "replace";

const Context = createContext<Resolve | null>(null);

/** null: who is signed in may not. */
export const useQuarantine = () => useContext(Context);

const CHOICES: { value: Decision; title: string; hint: string }[] = [
  { value: "trust", title: "It was no clone", hint: "All goes on as before: the device keeps its token and gets its commands." },
  {
    value: "replace",
    title: "A copy is about",
    hint: "Every token of it is revoked. Within an hour the right device registers again and takes its place.",
  },
];

function ResolveDialog({ device, onClose }: { device: Named; onClose: () => void }) {
  const client = useQueryClient();
  const [decision, setDecision] = useState<Decision>("trust");
  const resolve = async () => {
    await api.post("/admin/devices/{id}/quarantine/resolve", {
      path: { id: device.id },
      body: { decision },
      idempotencyKey: newKey(),
    });
    await client.invalidateQueries({ queryKey: ["devices"] });
    toast.ok(decision === "trust" ? `${device.alias} is out of quarantine.` : `${device.alias} may be registered again within an hour.`);
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Quarantine of ${device.alias}`}
      description="Two machines seem to use the token of this device. What it reports is stored, but it gets no commands until you decide."
      action={decision === "trust" ? "End the quarantine" : "Revoke its tokens"}
      danger={decision === "replace"}
      onConfirm={resolve}
    >
      <fieldset className="grid gap-2">
        <legend className="sr-only">What was it?</legend>
        {CHOICES.map((choice) => (
          <label
            key={choice.value}
            className={cn(
              "flex cursor-pointer gap-3 rounded-control border border-line p-3",
              "has-checked:border-accent has-checked:bg-accent-soft/40",
            )}
          >
            <input
              type="radio"
              name="decision"
              className="mt-1 size-4 accent-(--accent)"
              checked={decision === choice.value}
              onChange={() => setDecision(choice.value)}
            />
            <span>
              <span className="block text-sm font-medium">{choice.title}</span>
              <span className="block text-xs text-ink-2">{choice.hint}</span>
            </span>
          </label>
        ))}
      </fieldset>
    </Confirm>
  );
}

export function QuarantineResolver({ children }: { children: ReactNode }) {
  const may = useMay("operator");
  const [device, setDevice] = useState<Named | null>(null);
  return (
    <Context value={may ? setDevice : null}>
      {children}
      {device && <ResolveDialog device={device} onClose={() => setDevice(null)} />}
    </Context>
  );
}
