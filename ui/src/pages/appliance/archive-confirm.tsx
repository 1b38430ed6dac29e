// SPDX-License-Identifier: Apache-2.0
import { useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { bytes, count } from "@/lib/format";
import { Confirm } from "@/ui/dialog";
import { Field, NativeSelect } from "@/ui/field";
import { toast } from "@/ui/toast";

type ArchiveDay = Schema<"ArchiveDay">;

export type ArchiveAsked = { kind: "verify" | "restore" | "drop"; archive: ArchiveDay } | { kind: "verify-all"; parent: string };

const DAY_S = 86_400;
const KEEP: [seconds: number, label: string][] = [
  [DAY_S, "A day"],
  [7 * DAY_S, "A week"],
  [30 * DAY_S, "A month"],
];

interface Words {
  title: string;
  description: string;
  action: string;
}

function wordsOf(asked: ArchiveAsked): Words {
  if (asked.kind === "verify-all")
    return {
      title: "Verify the whole archive",
      description:
        "All its files are read and held against their manifests, the chain and the database. It goes on in the background, a day at a time.",
      action: "Verify all",
    };
  const { day, rows, plain_bytes } = asked.archive;
  switch (asked.kind) {
    case "verify":
      return { title: `Verify ${day}`, description: "Its files are read and held against manifest, chain and database.", action: "Verify" };
    case "restore":
      return {
        title: `Restore ${day}`,
        description: `${count(rows)} rows (${bytes(plain_bytes)}) come back into the database for a while. Its files stay as they are.`,
        action: "Restore",
      };
    case "drop":
      return {
        title: `Let ${day} go again`,
        description: "The restored rows leave the database before their time. Its files stay.",
        action: "Let it go",
      };
  }
}

/** Asks the appliance; the id of what to wait for, if there is something. */
async function ask(asked: ArchiveAsked, keepS: number): Promise<string | null> {
  if (asked.kind === "verify-all") {
    const { days, last_request_id } = await api.post("/admin/archives/verify", { body: asked.parent ? { parent: asked.parent } : {} });
    toast.ok(`${count(days)} days are being verified.`);
    return last_request_id;
  }
  const path = { parent: asked.archive.parent, day: asked.archive.day };
  switch (asked.kind) {
    case "verify":
      return (await api.post("/admin/archives/{parent}/{day}/verify", { path })).id;
    case "restore":
      return (await api.post("/admin/archives/{parent}/{day}/restore", { path, body: { keep_s: keepS } })).id;
    case "drop":
      return (await api.post("/admin/archives/{parent}/{day}/drop-restored", { path })).id;
  }
}

export interface ArchiveConfirmProps {
  asked: ArchiveAsked | null;
  onClose: () => void;
  onAsked: (requestId: string | null) => void;
}

export function ArchiveConfirm({ asked, onClose, onAsked }: ArchiveConfirmProps) {
  const [keepS, setKeepS] = useState(7 * DAY_S);
  if (!asked) return null;
  const words = wordsOf(asked);
  return (
    <Confirm open onOpenChange={(open) => !open && onClose()} {...words} onConfirm={async () => onAsked(await ask(asked, keepS))}>
      {asked.kind === "restore" && (
        <Field label="Keep it readable for">
          {(field) => (
            <NativeSelect {...field} value={keepS} onChange={(event) => setKeepS(Number(event.target.value))}>
              {KEEP.map(([seconds, label]) => (
                <option key={seconds} value={seconds}>
                  {label}
                </option>
              ))}
            </NativeSelect>
          )}
        </Field>
      )}
    </Confirm>
  );
}
