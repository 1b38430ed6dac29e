// SPDX-License-Identifier: Apache-2.0
/** One thing that people wrote about the device, changed where it stands. Two who change it at once are told of each other. */
import { useQueryClient } from "@tanstack/react-query";
import { Check, Pencil, X } from "lucide-react";
import { useState, type FormEvent, type KeyboardEvent, type ReactNode } from "react";
import type { Schema } from "@/api/types";
import { NameInput } from "@/pages/devices/name-input";
import { serverNow } from "@/live/server-now";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { Input, Textarea } from "@/ui/field";
import { Fact } from "@/ui/stat";
import { Conflict } from "./conflict";
import { keyOf, type Device } from "./use-device";
import { writeDevice } from "./write";

type Change = Schema<"DeviceChange">;
type Text = Pick<Schema<"DeviceDetail">, "site" | "tags" | "notes" | "heartbeat_interval_s">;

export interface EditableProps {
  name: string;
  device: Device;
  /** As it is typed. */
  text: (device: Text) => string;
  shown: ReactNode;
  /** Throws an Error that says what is wrong. */
  change: (typed: string) => Change;
  kind: "sites" | "tags" | "lines" | "number";
  hint?: string;
}

/** Writes what was typed, unless somebody else wrote since: then the page shows theirs, and false. */
function useWrite({ device, text, change }: EditableProps) {
  const client = useQueryClient();
  const key = keyOf(device.id, "device");
  return async (typed: string, known: string): Promise<boolean> => {
    const written = await writeDevice(device.id, change(typed), (now) => text(now) === known || text(now) === typed);
    client.setQueryData<Device>(key, { ...written.device, read_at: serverNow() });
    if (written.done) void client.invalidateQueries({ queryKey: ["devices", "list"] });
    return written.done;
  };
}

function Editor(props: EditableProps & { onClose: () => void }) {
  const { name, device, text, kind, hint, onClose } = props;
  const write = useWrite(props);
  const theirs = text(device);
  const [known, setKnown] = useState(theirs);
  const [typed, setTyped] = useState(theirs);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const save = async (over: string) => {
    setBusy(true);
    setError(null);
    setKnown(over);
    try {
      if (await write(typed, over)) onClose();
    } catch (caught) {
      setError(caught instanceof Error ? caught.message : String(caught));
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void save(known);
  };
  const field = {
    autoFocus: true,
    "aria-label": name,
    "aria-invalid": error ? (true as const) : undefined,
    value: typed,
    onChange: (event: { target: { value: string } }) => setTyped(event.target.value),
    onKeyDown: (event: KeyboardEvent) => {
      if (event.key === "Escape") onClose();
      if (event.key === "Enter" && kind === "lines" && (event.ctrlKey || event.metaKey)) void save(known);
    },
  };
  return (
    <form className="grid gap-1" onSubmit={submit}>
      <div className="flex items-start gap-1">
        {kind === "lines" ? (
          <Textarea {...field} maxLength={4000} />
        ) : kind === "number" ? (
          <Input className="h-8" inputMode="numeric" {...field} />
        ) : (
          <NameInput of={kind} className="h-8" {...field} />
        )}
        <Button type="submit" size="icon-sm" variant="ghost" busy={busy} aria-label={`Save ${name.toLowerCase()}`}>
          {!busy && <Check />}
        </Button>
        <Button size="icon-sm" variant="ghost" aria-label="Leave it as it was" onClick={onClose}>
          <X />
        </Button>
      </div>
      {theirs !== known && theirs !== typed && (
        <Conflict onTake={onClose} onReplace={() => void save(theirs)}>
          Somebody changed {name.toLowerCase()} while you wrote.{" "}
          {theirs ? (
            <>
              It is now <b className="font-semibold break-words">{theirs}</b>.
            </>
          ) : (
            "It is empty now."
          )}
        </Conflict>
      )}
      {error && (
        <p role="alert" className="text-xs text-bad">
          {error}
        </p>
      )}
      {hint && <p className="text-xs text-ink-3">{hint}</p>}
    </form>
  );
}

export function Editable(props: EditableProps) {
  const [editing, setEditing] = useState<boolean | "was">(false);
  const may = useMay("operator") && !props.device.deleted_at;
  return (
    <Fact label={props.name}>
      {editing === true ? (
        <Editor {...props} onClose={() => setEditing("was")} />
      ) : (
        <span className="group flex items-start gap-1.5">
          <span className="min-w-0 break-words whitespace-pre-line">{props.shown}</span>
          {may && (
            <button
              type="button"
              autoFocus={editing === "was"}
              aria-label={`Change ${props.name.toLowerCase()}`}
              className="touch-target -my-1 grid size-7 shrink-0 place-items-center rounded-control text-ink-3 hover:bg-surface-2 hover:text-ink"
              onClick={() => setEditing(true)}
            >
              <Pencil className="size-3.5" />
            </button>
          )}
        </span>
      )}
    </Fact>
  );
}
