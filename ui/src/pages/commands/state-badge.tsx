// SPDX-License-Identifier: Apache-2.0
import { Badge, Dot, STATUS_TONE } from "@/ui/badge";
import { STATE_TITLES, type CommandState } from "@/lib/command-words";

export function StateBadge({ state }: { state: CommandState }) {
  const tone = state === "awaiting_confirmation" ? "warn" : (STATUS_TONE[state] ?? "neutral");
  return (
    <Badge tone={tone}>
      <Dot tone={tone} className="size-1.5" pulse={state === "sent" || state === "received"} />
      {STATE_TITLES[state]}
    </Badge>
  );
}
