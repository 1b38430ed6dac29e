// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { api, ApiError } from "@/api/client";

/** What GET /health/detailed says. */
export interface Health {
  well: boolean;
  version: string;
  journal: {
    state: "accepting" | "full" | "refusing" | "draining" | "unknown";
    durable_seq: number;
    used_bytes: number;
    capacity_bytes: number;
    bytes_per_s: number;
    /** Until it is full, if nothing is freed; null: never. */
    hours_left: number | null;
  };
  backlog: { records: number; oldest_s: number; drain_per_s: number; stored_seq: number };
  database: {
    storing: boolean;
    breaker: string;
    where: string;
    /** The appliance's own PostgreSQL, if it has one. */
    private?: { state: string; pid: number; restarts: number; last_error: string };
  };
  devices: { known: number; tokens: number; list_read: boolean };
  connections: number;
  control_queue: number;
  memory?: { total_bytes: number; free_bytes: number };
  cpu?: { load_1m: number };
  disk?: { free_bytes: number; total_bytes: number };
}

const isHealth = (value: unknown): value is Health => typeof value === "object" && value !== null && "well" in value && "journal" in value;

/** An appliance that is not well answers 503, and says the same in it. */
async function readHealth(signal: AbortSignal): Promise<Health> {
  try {
    const answer: unknown = await api.get("/health/detailed", { signal });
    if (isHealth(answer)) return answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 503 && isHealth(error.problem)) return error.problem;
    throw error;
  }
  throw new Error("The appliance did not say how it is.");
}

export function useHealth() {
  return useQuery({ queryKey: ["health"], queryFn: ({ signal }) => readHealth(signal), refetchInterval: 30_000 });
}
