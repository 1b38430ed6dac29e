// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from "react";

/** A key of the keyboard. */
export function Kbd({ children }: { children: ReactNode }) {
  return (
    <kbd className="inline-grid h-5 min-w-5 place-items-center rounded border border-line-strong bg-surface-2 px-1.5 font-sans text-xs leading-none text-ink-2">
      {children}
    </kbd>
  );
}
