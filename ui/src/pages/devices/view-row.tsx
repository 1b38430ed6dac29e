// SPDX-License-Identifier: Apache-2.0
import { Check, Pencil, Trash2, X } from "lucide-react";
import { useState, type FormEvent } from "react";
import { cn } from "@/lib/cn";
import { deviceViews, type SavedView } from "@/lib/saved-views";
import { Button } from "@/ui/button";
import { Input } from "@/ui/field";
import { toast } from "@/ui/toast";

export const VIEW_NAME_MAX = 60;

function RenameForm({ name, onDone }: { name: string; onDone: () => void }) {
  const [text, setText] = useState(name);
  const rename = (event: FormEvent) => {
    event.preventDefault();
    try {
      deviceViews.rename(name, text);
      onDone();
    } catch (error) {
      toast.failed(error);
    }
  };
  return (
    <form className="flex items-center gap-1 py-0.5" onSubmit={rename}>
      <Input
        aria-label={`Name of the view ${name}`}
        autoFocus
        autoComplete="off"
        maxLength={VIEW_NAME_MAX}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.stopPropagation(); // the name is let be, the menu stays
          event.preventDefault();
          onDone();
        }}
      />
      <Button type="submit" variant="ghost" size="icon-sm" aria-label="Keep the name" disabled={!text.trim()}>
        <Check />
      </Button>
      <Button variant="ghost" size="icon-sm" aria-label="Leave the name as it was" onClick={onDone}>
        <X />
      </Button>
    </form>
  );
}

function DeleteQuestion({ name, onDone }: { name: string; onDone: () => void }) {
  return (
    <div role="group" aria-label={`Delete the view ${name}?`} className="flex items-center gap-1.5 py-0.5 pl-2.5">
      <span className="min-w-0 grow truncate">
        Delete <b className="font-medium">{name}</b>?
      </span>
      <Button size="sm" autoFocus onClick={onDone}>
        Keep
      </Button>
      <Button size="sm" variant="danger" onClick={() => deviceViews.remove(name)}>
        Delete
      </Button>
    </div>
  );
}

/** A view in the menu: opened, given another name, deleted. */
export function ViewRow({ view, current, onOpen }: { view: SavedView; current: boolean; onOpen: () => void }) {
  const [doing, setDoing] = useState<"rename" | "delete" | null>(null);
  const done = () => setDoing(null);
  if (doing === "rename") return <RenameForm name={view.name} onDone={done} />;
  if (doing === "delete") return <DeleteQuestion name={view.name} onDone={done} />;
  return (
    <div className="flex items-center">
      <button
        type="button"
        aria-current={current || undefined}
        title={view.name}
        className={cn(
          "min-h-9 min-w-0 grow truncate rounded-control px-2.5 text-left hover:bg-surface-2",
          current && "font-medium text-accent",
        )}
        onClick={onOpen}
      >
        {view.name}
      </button>
      <Button variant="ghost" size="icon-sm" aria-label={`Rename the view ${view.name}`} onClick={() => setDoing("rename")}>
        <Pencil />
      </Button>
      <Button variant="ghost" size="icon-sm" aria-label={`Delete the view ${view.name}`} onClick={() => setDoing("delete")}>
        <Trash2 />
      </Button>
    </div>
  );
}
