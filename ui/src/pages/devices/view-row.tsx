// SPDX-License-Identifier: Apache-2.0
import { Check, Pencil, Trash2, X } from "lucide-react";
import { useState, type FormEvent, type ReactNode } from "react";
import { cn } from "@/lib/cn";
import { useDeleteView, useRenameView, VIEW_NAME_MAX, type SavedView } from "@/lib/saved-views";
import { Button } from "@/ui/button";
import { Input } from "@/ui/field";
import { toast } from "@/ui/toast";

function RenameForm({ view, onDone }: { view: SavedView; onDone: () => void }) {
  const [text, setText] = useState(view.name);
  const renaming = useRenameView(view.page);
  const rename = (event: FormEvent) => {
    event.preventDefault();
    if (renaming.isPending) return;
    // Also when the menu is closed meanwhile: why it kept its name is said.
    renaming.mutateAsync({ id: view.id, name: text }).then(onDone, toast.failed);
  };
  return (
    <form className="flex items-center gap-1 py-0.5" onSubmit={rename}>
      <Input
        aria-label={`Name of the view ${view.name}`}
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
      <Button type="submit" variant="ghost" size="icon-sm" aria-label="Save the name" busy={renaming.isPending} disabled={!text.trim()}>
        {!renaming.isPending && <Check />}
      </Button>
      <Button variant="ghost" size="icon-sm" aria-label="Leave the name as it was" onClick={onDone}>
        <X />
      </Button>
    </form>
  );
}

interface DeleteQuestionProps {
  name: string;
  busy: boolean;
  onKeep: () => void;
  onDelete: () => void;
}

function DeleteQuestion({ name, busy, onKeep, onDelete }: DeleteQuestionProps) {
  return (
    <div role="group" aria-label={`Delete the view ${name}?`} className="flex items-center gap-1.5 py-0.5 pl-2.5">
      <span className="min-w-0 grow truncate">
        Delete <b className="font-medium">{name}</b>?
      </span>
      <Button size="sm" autoFocus onClick={onKeep}>
        Keep
      </Button>
      <Button size="sm" variant="danger" busy={busy} onClick={onDelete}>
        Delete
      </Button>
    </div>
  );
}

interface OpenRowProps {
  name: string;
  note?: string;
  current: boolean;
  onOpen: () => void;
  /** What else can be done with it. */
  children: ReactNode;
}

function OpenRow({ name, note, current, onOpen, children }: OpenRowProps) {
  return (
    <div className="flex items-center">
      <button
        type="button"
        aria-current={current || undefined}
        title={name}
        className={cn(
          "flex min-h-9 min-w-0 grow items-center gap-2 rounded-control px-2.5 text-left hover:bg-surface-2 pointer-coarse:min-h-10",
          current && "font-medium text-accent",
        )}
        onClick={onOpen}
      >
        <span className="truncate">{name}</span>
        {note && <span className="shrink-0 text-xs font-normal text-ink-3">{note}</span>}
      </button>
      {children}
    </div>
  );
}

const DeleteButton = ({ name, onClick }: { name: string; onClick: () => void }) => (
  <Button variant="ghost" size="icon-sm" aria-label={`Delete the view ${name}`} onClick={onClick}>
    <Trash2 />
  </Button>
);

/** A view in the menu: opened, given another name, deleted. */
export function ViewRow({ view, current, onOpen }: { view: SavedView; current: boolean; onOpen: () => void }) {
  const [doing, setDoing] = useState<"rename" | "delete" | null>(null);
  const deleting = useDeleteView(view.page);
  const done = () => setDoing(null);
  if (doing === "rename") return <RenameForm view={view} onDone={done} />;
  if (doing === "delete")
    return (
      <DeleteQuestion
        name={view.name}
        busy={deleting.isPending}
        onKeep={done}
        onDelete={() => void deleting.mutateAsync(view.id).catch(toast.failed)}
      />
    );
  return (
    <OpenRow name={view.name} current={current} onOpen={onOpen}>
      <Button variant="ghost" size="icon-sm" aria-label={`Rename the view ${view.name}`} onClick={() => setDoing("rename")}>
        <Pencil />
      </Button>
      <DeleteButton name={view.name} onClick={() => setDoing("delete")} />
    </OpenRow>
  );
}

interface BrowserViewRowProps {
  name: string;
  current: boolean;
  onOpen: () => void;
  onDelete: () => void;
}

/** One that is not in the account (yet): opened or deleted. */
export function BrowserViewRow({ name, current, onOpen, onDelete }: BrowserViewRowProps) {
  const [asking, setAsking] = useState(false);
  if (asking) return <DeleteQuestion name={name} busy={false} onKeep={() => setAsking(false)} onDelete={onDelete} />;
  return (
    <OpenRow name={name} note="this browser" current={current} onOpen={onOpen}>
      <DeleteButton name={name} onClick={() => setAsking(true)} />
    </OpenRow>
  );
}
