// SPDX-License-Identifier: Apache-2.0
import { SquareTerminal } from "lucide-react";
import { useCallback, useMemo } from "react";
import { useNavigate } from "react-router";
import { api } from "@/api/client";
import type { Command } from "@/lib/command-words";
import { useKeyset } from "@/lib/keyset";
import { useOpened } from "@/lib/use-opened";
import { columnsOf, CommandCard } from "@/pages/commands/columns";
import { CommandDrawer } from "@/pages/commands/command-drawer";
import { useLiveStates } from "@/pages/commands/use-live-states";
import { Card } from "@/ui/card";
import { DataTable } from "@/ui/data-table";
import { Empty } from "@/ui/states";

export function CommandsTab({ deviceId }: { deviceId: string }) {
  const navigate = useNavigate();
  const [opened, open] = useOpened("command");
  const list = useKeyset<Command>(["commands", "device", deviceId], async (cursor, signal) => {
    const answer = await api.get("/admin/commands", { query: { device_id: deviceId, cursor, limit: 50 }, signal });
    return { rows: answer.commands, next: answer.next_cursor };
  });
  const rows = useLiveStates(list.rows);
  const toBulk = useCallback((id: string) => void navigate(`/commands?bulk_id=${id}`), [navigate]);
  const columns = useMemo(() => columnsOf(toBulk, false), [toBulk]);
  return (
    <>
      <Card className="overflow-hidden">
        <DataTable
          label="Commands of this device"
          columns={columns}
          rows={rows}
          rowId={(row) => row.id}
          rowHeight={54}
          {...list.table}
          onOpen={(row) => open(row.id)}
          current={opened ?? undefined}
          renderCard={(row) => <CommandCard command={row} onBulk={toBulk} withDevice={false} />}
          empty={
            <Empty icon={SquareTerminal} title="No commands yet">
              What is sent to this device is listed here, with what became of it.
            </Empty>
          }
        />
      </Card>
      <CommandDrawer id={opened} onClose={() => open(null)} />
    </>
  );
}
