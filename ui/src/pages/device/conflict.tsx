// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from "react";
import { Button } from "@/ui/button";

interface ConflictProps {
  /** What somebody else did meanwhile. */
  children: ReactNode;
  busy?: boolean;
  onTake: () => void;
  onReplace: () => void;
}

/** Two who write the same: the later one is told of the other, and decides. */
export function Conflict({ children, busy, onTake, onReplace }: ConflictProps) {
  return (
    <div role="alert" className="grid gap-1.5 rounded-control bg-warn-soft px-2.5 py-2 text-xs text-ink">
      <p>{children}</p>
      <div className="flex flex-wrap gap-1.5">
        <Button size="sm" onClick={onTake}>
          Leave theirs
        </Button>
        <Button size="sm" busy={busy} onClick={onReplace}>
          Replace it by mine
        </Button>
      </div>
    </div>
  );
}
