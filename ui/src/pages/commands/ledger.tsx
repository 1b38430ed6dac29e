// SPDX-License-Identifier: Apache-2.0
import { SquareTerminal } from "lucide-react";
import { useCallback, useMemo } from "react";
import { api } from "@/api/client";
import { COMMAND_TYPES, commandTitle } from "@/lib/command-types";
import { STATES, STATE_TITLES } from "@/lib/command-words";
import { DevicePicker } from "@/lib/device-picker";
import { useKeyset } from "@/lib/keyset";
import { useFilter } from "@/lib/use-filter";
import { Card } from "@/ui/card";
import { ColumnsMenu, DataTable, useTableLayout } from "@/ui/data-table";
import { NativeSelect } from "@/ui/field";
import { Empty } from "@/ui/states";
import { BulkPanel } from "./bulk-panel";
import { columnsOf, CommandCard } from "./columns";
import { useLiveStates } from "./use-live-states";

const PAGE = 100;
const NAMES = ["state", "type", "device", "name", "bulk_id"] as const;
const TYPES = [...COMMAND_TYPES.map((one) => one.type), "rotate_key"];

export interface LedgerProps {
  onOpen: (id: string) => void;
}

/** All commands, the newest first, with live states. */
export function Ledger({ onOpen }: LedgerProps) {
  const [filter, setFilter] = useFilter(NAMES);
  const layout = useTableLayout("commands");
  const list = useKeyset(["commands", "ledger", filter], async (cursor, signal) => {
    const query = { state: filter.state, type: filter.type, device_id: filter.device, bulk_id: filter.bulk_id, cursor, limit: PAGE };
    const page = await api.get("/admin/commands", { query: query as never, signal });
    return { rows: page.commands, next: page.next_cursor };
  });
  const rows = useLiveStates(list.rows);
  const onBulk = useCallback((id: string) => setFilter({ bulk_id: id }), [setFilter]);
  const columns = useMemo(() => columnsOf(onBulk, true), [onBulk]);
  const device = filter.device ? { id: filter.device, alias: filter.name ?? `Device ${filter.device}` } : null;
  const filtered = Object.keys(filter).length > 0;
  return (
    <>
      {filter.bulk_id && <BulkPanel id={filter.bulk_id} onAll={() => setFilter({ bulk_id: "" })} />}
      <div className="mb-3 grid grid-cols-2 items-center gap-2 sm:flex sm:flex-wrap">
        <NativeSelect
          aria-label="State"
          className="sm:w-auto"
          value={filter.state ?? ""}
          onChange={(event) => setFilter({ state: event.target.value })}
        >
          <option value="">Any state</option>
          {STATES.map((state) => (
            <option key={state} value={state}>
              {STATE_TITLES[state]}
            </option>
          ))}
        </NativeSelect>
        <NativeSelect
          aria-label="Command"
          className="sm:w-auto"
          value={filter.type ?? ""}
          onChange={(event) => setFilter({ type: event.target.value })}
        >
          <option value="">Any command</option>
          {TYPES.map((type) => (
            <option key={type} value={type}>
              {commandTitle(type)}
            </option>
          ))}
        </NativeSelect>
        <DevicePicker
          aria-label="Device"
          placeholder="Any device"
          className="max-sm:col-span-2 sm:w-60"
          value={device}
          onChange={(chosen) => setFilter({ device: chosen?.id, name: chosen?.alias })}
        />
        <div className="ml-auto max-sm:hidden">
          <ColumnsMenu columns={columns} layout={layout} />
        </div>
      </div>
      <Card className="overflow-hidden">
        <DataTable
          label="Commands"
          columns={columns}
          layout={layout}
          rows={rows}
          rowId={(command) => command.id}
          rowHeight={54}
          onOpen={(command) => onOpen(command.id)}
          renderCard={(command) => <CommandCard command={command} onBulk={onBulk} withDevice />}
          {...list.table}
          empty={
            <Empty icon={SquareTerminal} title={filtered ? "No command is like that" : "Nothing was asked of a device yet"}>
              {filtered ? null : "A ping is a good first one: the device answers, nothing else happens."}
            </Empty>
          }
        />
      </Card>
    </>
  );
}
