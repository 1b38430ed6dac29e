// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "@/api/types";

export type Partition = Schema<"Partition">;

export interface TableFacts {
  parent: string;
  bytes: number;
  /** As PostgreSQL estimates. */
  rows: number;
  /** Days up to today that take rows. */
  held: number;
  oldest: string | null;
  /** Days after today that are there already; null: the table's days are not made ahead. */
  ahead: number;
  /** Detached, on their way into the archive. */
  leaving: number;
  restored: number;
}

const ORDER = ["heartbeats"]; // first; the others by their names

/** How each table is cut into days. today: UTC, 2026-11-21. */
export function tablesOf(partitions: readonly Partition[], today: string): TableFacts[] {
  const tables = new Map<string, TableFacts>();
  for (const { parent, day, state, bytes, rows } of partitions) {
    const table = tables.get(parent) ?? { parent, bytes: 0, rows: 0, held: 0, oldest: null, ahead: 0, leaving: 0, restored: 0 };
    tables.set(parent, table);
    table.bytes += bytes;
    table.rows += rows ?? 0;
    if (state === "restored") table.restored++;
    else if (state !== "attached") table.leaving++;
    else if (day > today) table.ahead++;
    else {
      table.held++;
      if (table.oldest === null || day < table.oldest) table.oldest = day;
    }
  }
  const place = (name: string) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return [...tables.values()].toSorted((a, b) => place(a.parent) - place(b.parent) || a.parent.localeCompare(b.parent));
}

/** Fewer days than this ahead: the job that makes them did not run. */
const AHEAD_LEAST = 2;

export const isShort = (table: TableFacts): boolean => table.ahead < AHEAD_LEAST;
