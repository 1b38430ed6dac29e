// SPDX-License-Identifier: Apache-2.0
import { Bookmark, BookmarkPlus } from "lucide-react";
import { useState, type FormEvent } from "react";
import { count } from "@/lib/format";
import { useBrowserViews } from "@/lib/move-views";
import { useSavedViews, useSaveView, VIEW_NAME_MAX, type ViewsPage } from "@/lib/saved-views";
import { Button } from "@/ui/button";
import { Field, Input } from "@/ui/field";
import { Popover } from "@/ui/popover";
import { Failure, Skeleton } from "@/ui/states";
import { toast } from "@/ui/toast";
import { BrowserViewRow, ViewRow } from "./view-row";

const PAGE: ViewsPage = "devices";

interface ViewsProps {
  /** The query string as it stands. */
  search: string;
  onOpen: (search: string) => void;
}

function SaveForm({ search, current }: { search: string; current: string | undefined }) {
  const [name, setName] = useState(current ?? "");
  const saving = useSaveView(PAGE);
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (saving.isPending) return;
    saving.mutateAsync({ name, query: search }).then(() => setName(""), toast.failed);
  };
  return (
    <form className="flex items-end gap-2 border-t border-line p-3" onSubmit={save}>
      <div className="grow">
        <Field label="Save what is shown as">
          {(ids) => (
            <Input
              {...ids}
              maxLength={VIEW_NAME_MAX}
              autoComplete="off"
              placeholder="Silent in Porto"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
      </div>
      <Button type="submit" size="icon" aria-label="Save this view" busy={saving.isPending} disabled={!name.trim()}>
        {!saving.isPending && <BookmarkPlus />}
      </Button>
    </form>
  );
}

const Reading = () => (
  <div role="status" aria-label="The views are being read" className="grid gap-2 p-3">
    <Skeleton className="h-6 w-3/5" />
    <Skeleton className="h-6 w-4/5" />
    <Skeleton className="h-6 w-2/5" />
  </div>
);

/** Views from before they were in the account: on their way there, or why they are not. */
function MoveNote({ left, moving, error, again }: Pick<ReturnType<typeof useBrowserViews>, "left" | "moving" | "error" | "again">) {
  if (left.length === 0) return null;
  const views = left.length === 1 ? "One view is" : `${count(left.length)} views are`;
  if (moving)
    return (
      <p role="status" className="border-t border-line px-4 py-2 text-xs text-ink-2">
        {views} being moved from this browser into your account.
      </p>
    );
  if (!error) return null;
  return (
    <div className="grid gap-2 border-t border-line p-3">
      <p className="text-xs text-ink-2">{views} in this browser alone, not in your account:</p>
      <Failure error={error} retry={again} />
    </div>
  );
}

export function ViewsMenu({ search, onOpen }: ViewsProps) {
  const { data: views, error, refetch } = useSavedViews(PAGE);
  const { drop, ...browser } = useBrowserViews(PAGE, views !== undefined);
  const current =
    views?.find((view) => view.query === search)?.name ?? browser.left.find((view) => view.search === search)?.name;
  const [open, setOpen] = useState(false);
  const change = (next: boolean) => {
    setOpen(next);
    if (next) void refetch({ cancelRefetch: false }); // another browser may have kept one
  };
  const show = (query: string) => {
    onOpen(query);
    setOpen(false);
  };
  return (
    <Popover
      label="Views"
      align="end"
      className="w-80 p-0"
      open={open}
      onOpenChange={change}
      trigger={
        <Button>
          <Bookmark className={current ? "fill-current text-accent" : undefined} />
          <span className="max-w-40 truncate">{current ?? "Views"}</span>
        </Button>
      }
    >
      {!views && !error && <Reading />}
      {error && <Failure error={error} retry={() => void refetch()} className="m-3" />}
      {views?.length === 0 && browser.left.length === 0 && (
        <p className="p-4 text-sm text-ink-2">
          A view is a search, a filter and an order with a name. It is kept in your account: in every browser, for you alone.
        </p>
      )}
      <ul aria-label="Saved views" className="max-h-72 overflow-y-auto p-1 empty:hidden">
        {views?.map((view) => (
          <li key={view.id}>
            <ViewRow view={view} current={view.query === search} onOpen={() => show(view.query)} />
          </li>
        ))}
        {browser.left.map((view) => (
          <li key={`${view.name}?${view.search}`}>
            <BrowserViewRow
              name={view.name}
              current={view.search === search}
              onOpen={() => show(view.search)}
              onDelete={() => drop(view)}
            />
          </li>
        ))}
      </ul>
      <MoveNote {...browser} />
      <SaveForm key={search} search={search} current={current} />
    </Popover>
  );
}
