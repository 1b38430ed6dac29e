// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import type { LiveFleet } from "@/live/store";
import { headline } from "./headline";

const fleet = (numbers: Partial<LiveFleet>): LiveFleet => ({
  at: 1,
  devices: 0,
  online: 0,
  late: 0,
  silent: 0,
  never: 0,
  quarantined: 0,
  heartbeat_interval_s: 300,
  heartbeats_per_s: 0,
  backlog: 0,
  storing: true,
  ...numbers,
});

it.each([
  [{ online: 1990 }, 0, "ok", "All 1,990 devices report"],
  [{ online: 1990 }, null, "ok", "All 1,990 devices report"],
  [{ online: 1 }, 0, "ok", "The one device reports"],
  [{ online: 10, never: 3 }, 0, "ok", "All 10 devices report"],
  [{ online: 1990 }, 3, "warn", "All 1,990 devices report, 3 incidents are open"],
  [{ online: 10, late: 6 }, 0, "warn", "6 devices are late"],
  [{ online: 10, late: 1 }, 1, "warn", "1 device is late and 1 incident is open"],
  [{ online: 10, late: 5, silent: 12 }, 3, "bad", "12 devices are silent and 3 incidents are open"],
  [{ silent: 12 }, 0, "bad", "All 12 devices are silent"],
  [{ never: 2 }, 0, "warn", "2 devices are registered, none has reported yet"],
  [{ online: 5, silent: 1, storing: false }, 3, "bad", "The database is away. Heartbeats are kept in the journal until it is back"],
])("%j with %s incidents", (numbers, incidents, tone, text) => {
  expect(headline(fleet(numbers), incidents)).toEqual({ tone, text });
});
