// SPDX-License-Identifier: Apache-2.0
import { KeyRound } from "lucide-react";
import { CodeBlock } from "@/ui/copy-button";
import { Time } from "@/ui/time";

/** A signing secret, shown this once. */
export function SecretOnce({ secret, oldUntil }: { secret: string; oldUntil?: string | null }) {
  return (
    <div className="grid grid-cols-1 gap-2">
      <p className="flex items-center gap-2 text-sm font-medium">
        <KeyRound className="size-4 text-warn" aria-hidden /> Signing secret
      </p>
      <CodeBlock text={secret} label="Copy the signing secret" />
      <p className="text-xs text-ink-2">
        Give it to whoever receives the messages (Standard Webhooks). It is shown this once: copy it now.
        {oldUntil && (
          <>
            {" "}
            The old one is used beside it, until <Time at={oldUntil} />.
          </>
        )}
      </p>
    </div>
  );
}
