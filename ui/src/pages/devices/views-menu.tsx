// SPDX-License-Identifier: Apache-2.0
import { Bookmark, BookmarkPlus } from "lucide-react";
import { useState, type FormEvent } from "react";
import { deviceViews, useSavedViews } from "@/lib/saved-views";
import { Button } from "@/ui/button";
import { Field, Input } from "@/ui/field";
import { Popover } from "@/ui/popover";
import { toast } from "@/ui/toast";
import { VIEW_NAME_MAX, ViewRow } from "./view-row";

interface ViewsProps {
  /** The query string as it stands. */
  search: string;
  onOpen: (search: string) => void;
}

function SaveForm({ search, current }: { search: string; current: string | undefined }) {
  const [name, setName] = useState(current ?? "");
  const save = (event: FormEvent) => {
    event.preventDefault();
    try {
      deviceViews.save(name, search);
      setName("");
    } catch (error) {
      toast.failed(error);
    }
  };
  return (
    <form className="flex items-end gap-2 border-t border-line p-3" onSubmit={save}>
      <div className="grow">
        <Field label="Keep what is shown as">
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
      <Button type="submit" size="icon" aria-label="Keep this view" disabled={!name.trim()}>
        <BookmarkPlus />
      </Button>
    </form>
  );
}

export function ViewsMenu({ search, onOpen }: ViewsProps) {
  const views = useSavedViews(deviceViews);
  const current = views.find((view) => view.search === search)?.name;
  return (
    <Popover
      label="Views"
      align="end"
      className="w-80 p-0"
      trigger={
        <Button>
          <Bookmark className={current ? "fill-current text-accent" : undefined} />
          <span className="max-w-40 truncate">{current ?? "Views"}</span>
        </Button>
      }
    >
      {(close) => (
        <>
          {views.length === 0 && (
            <p className="p-4 text-sm text-ink-2">A view is a search, a filter and an order with a name. It is kept in this browser.</p>
          )}
          <ul aria-label="Saved views" className="max-h-72 overflow-y-auto p-1 empty:hidden">
            {views.map((view) => (
              <li key={view.name}>
                <ViewRow
                  view={view}
                  current={view.name === current}
                  onOpen={() => {
                    onOpen(view.search);
                    close();
                  }}
                />
              </li>
            ))}
          </ul>
          <SaveForm key={search} search={search} current={current} />
        </>
      )}
    </Popover>
  );
}
