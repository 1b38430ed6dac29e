// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "react";
import { countFleet, type FleetStats } from "@/lib/fleet-stats";
import { liveStore } from "@/live/store";

const FIRST_MS = 300;
const BETWEEN_MS = 4000;

/** Counted again every few seconds while somebody looks; null until the devices are there. */
export function useFleetStats(): FleetStats | null {
  const [stats, setStats] = useState<FleetStats | null>(null);
  useEffect(() => {
    let stopped = false;
    let timer: ReturnType<typeof setTimeout>;
    let counted = -1;
    const count = async () => {
      const there = liveStore.stream !== null;
      if (there && !document.hidden && counted !== liveStore.version) {
        counted = liveStore.version;
        const result = await countFleet(liveStore.devices.values(), () => stopped);
        if (result) setStats(result);
      }
      if (!stopped) timer = setTimeout(() => void count(), there ? BETWEEN_MS : FIRST_MS);
    };
    void count();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, []);
  return stats;
}
