// SPDX-License-Identifier: Apache-2.0
import { devices } from "@/lib/format";
import { Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import type { Taken } from "./snapshot";

/** How many it is about, as the appliance counted them. */
export function SnapshotNote({ taken: { snapshot, error, retry } }: { taken: Taken }) {
  if (error) return <Failure error={error} retry={retry} />;
  if (!snapshot) return <Skeleton className="h-10" />;
  return (
    <p className="rounded-control bg-surface-2 px-3 py-2.5 text-sm text-ink-2">
      <b className="font-semibold text-ink">{devices(snapshot.count)}</b>, as chosen now, whatever comes or goes meanwhile. The choice ends{" "}
      <Time at={snapshot.expires_at} />.
    </p>
  );
}
