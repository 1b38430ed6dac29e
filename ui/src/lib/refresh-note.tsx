// SPDX-License-Identifier: Apache-2.0
import { RefreshCw } from "lucide-react";
import { Button } from "@/ui/button";
import type { Refresh } from "./use-refresh";

/** Shown while a long list is older than what is known. */
export function RefreshNote({ stale, refresh }: Refresh) {
  if (!stale) return null;
  return (
    <Button size="sm" onClick={refresh}>
      <RefreshCw /> Something changed. Read again
    </Button>
  );
}
