// SPDX-License-Identifier: Apache-2.0
import { KeyRound } from "lucide-react";
import type { ReactNode } from "react";
import { CopyButton } from "./copy-button";

/** A token or a code that the appliance tells once and then knows only by its hash. */
export function Secret({ text, label, children }: { text: string; label: string; children?: ReactNode }) {
  return (
    <div className="rounded-control border border-warn/40 bg-warn-soft px-3.5 py-3">
      <p className="flex items-center gap-2 text-xs font-medium text-warn">
        <KeyRound className="size-3.5" aria-hidden />
        Shown once: copy it now, it can&rsquo;t be shown again
      </p>
      <div className="mt-2 flex flex-wrap items-center gap-2">
        <code className="min-w-0 grow rounded bg-surface px-2 py-1.5 font-mono text-xs break-all text-ink select-all">{text}</code>
        <CopyButton text={text} label={label} wide variant="primary" />
      </div>
      {children && <div className="mt-2 text-xs text-ink-2">{children}</div>}
    </div>
  );
}
