// SPDX-License-Identifier: Apache-2.0
import { useSyncExternalStore } from "react";
import { liveStore, type ConnectionState, type LiveDevice, type LiveFleet, type PulsePoint } from "./store";

/** Renders again when the store has something new, at most four times a second. */
export function useLiveVersion(): number {
  return useSyncExternalStore(liveStore.subscribe, () => liveStore.version);
}

export function useFleet(): LiveFleet | null {
  return useSyncExternalStore(liveStore.subscribe, () => liveStore.fleet);
}

export function useFleetHistory(): LiveFleet[] {
  return useSyncExternalStore(liveStore.subscribe, () => liveStore.fleetHistory);
}

export function usePulse(): PulsePoint[] {
  return useSyncExternalStore(liveStore.subscribe, () => liveStore.pulse);
}

export function useConnection(): ConnectionState {
  return useSyncExternalStore(liveStore.subscribe, () => liveStore.state);
}

/** One device's newest row; the same object until it changes. */
export function useLiveDevice(id: string): LiveDevice | undefined {
  return useSyncExternalStore(liveStore.subscribe, () => liveStore.devices.get(id));
}
