// SPDX-License-Identifier: Apache-2.0
import { SquareTerminal, Tags, Trash2, X } from "lucide-react";
import { useState } from "react";
import type { CommandType } from "@/lib/command-types";
import { cn } from "@/lib/cn";
import { count, devices } from "@/lib/format";
import { CommandMenu } from "@/pages/commands/command-menu";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { BulkCommand } from "./bulk-command";
import { BulkDelete } from "./bulk-delete";
import { BulkTags } from "./bulk-tags";
import { isFiltered, type Filter } from "./filter";
import { countOf, NOTHING, type Chosen } from "./snapshot";

export interface SelectionBarProps {
  chosen: Chosen;
  onChange: (chosen: Chosen) => void;
  filter: Filter;
  /** How many the filter matches. */
  total: number | undefined;
}

type Act = { what: "tags" } | { what: "delete" } | { what: "command"; type: CommandType };

/** What can be done with the devices that are chosen; at the bottom, within reach of a thumb. */
export function SelectionBar({ chosen, onChange, filter, total }: SelectionBarProps) {
  const admin = useMay("admin");
  const [act, setAct] = useState<Act | null>(null);
  const number = countOf(chosen);
  if (number === 0 && !act) return null;
  const close = () => setAct(null);
  const done = () => onChange(NOTHING);
  const more = !chosen.all && total !== undefined && total > number;
  return (
    <div role="region" aria-label="What is selected" className="sticky bottom-3 z-20 mt-3 flex justify-center">
      <div
        className={cn(
          "flex max-w-full flex-wrap items-center gap-x-3 gap-y-2 rounded-card border border-line-strong bg-raised px-3 py-2",
          "shadow-float",
        )}
      >
        <p className="pl-1 text-sm font-medium tabular" aria-live="polite">
          {chosen.all ? `All ${devices(number)}${isFiltered(filter) ? " that match" : ""} selected` : `${devices(number)} selected`}
        </p>
        {more && (
          <button
            type="button"
            className="min-h-8 text-sm font-medium text-accent hover:underline"
            onClick={() => onChange({ all: true, filter, count: total })}
          >
            Select all {count(total)} {isFiltered(filter) ? "that match" : "in the fleet"}
          </button>
        )}
        <div className="flex items-center gap-1.5">
          <Button size="sm" onClick={() => setAct({ what: "tags" })}>
            <Tags />
            Tags
          </Button>
          <CommandMenu
            label={devices(number)}
            onChoose={(type) => setAct({ what: "command", type })}
            trigger={
              <Button size="sm">
                <SquareTerminal />
                Command
              </Button>
            }
          />
          {admin && (
            <Button size="sm" className="text-bad" onClick={() => setAct({ what: "delete" })}>
              <Trash2 />
              Delete
            </Button>
          )}
          <Button size="icon-sm" variant="ghost" aria-label="Select none" onClick={done}>
            <X />
          </Button>
        </div>
      </div>
      {act?.what === "tags" && <BulkTags chosen={chosen} onClose={close} />}
      {act?.what === "delete" && <BulkDelete chosen={chosen} onClose={close} onDone={done} />}
      {act?.what === "command" && <BulkCommand chosen={chosen} type={act.type} onClose={close} onDone={done} />}
    </div>
  );
}
