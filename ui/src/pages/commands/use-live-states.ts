// SPDX-License-Identifier: Apache-2.0
import { useMemo } from "react";
import { useLiveVersion } from "@/live/use-live";
import { liveStore } from "@/live/store";
import { laterState, type Command } from "@/lib/command-words";

/** States as the live channel tells them, before the list is read again. Rows that stay as they were stay the same objects. */
export function useLiveStates(rows: readonly Command[]): readonly Command[] {
  const version = useLiveVersion();
  const commands = liveStore.commands;
  return useMemo(() => {
    if (commands.length === 0) return rows;
    const live = new Map(commands.map((command) => [command.id, command.state]));
    let changed = false;
    const next = rows.map((row) => {
      const state = laterState(row.state, live.get(row.id));
      if (state === row.state) return row;
      changed = true;
      return { ...row, state };
    });
    return changed ? next : rows;
  }, [rows, commands, version]);
}
