// SPDX-License-Identifier: Apache-2.0
import { Plus } from "lucide-react";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { PageHeader } from "@/app/page-header";
import { RefreshNote } from "@/lib/refresh-note";
import { useOpened } from "@/lib/use-opened";
import { useRefresh } from "@/lib/use-refresh";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { TabPanel, Tabs } from "@/ui/tabs";
import { BulkList } from "./bulk-list";
import { CommandDrawer } from "./command-drawer";
import { Ledger } from "./ledger";
import { OrderDialog } from "./order-dialog";

const TABS = [
  { value: "all", label: "All commands" },
  { value: "bulk", label: "Bulk commands" },
];

export default function CommandsPage() {
  const { "*": rest } = useParams();
  const navigate = useNavigate();
  const operator = useMay("operator");
  const [ordering, setOrdering] = useState(false);
  const [command, openCommand] = useOpened("command");
  const refreshing = useRefresh(["commands"], (delta) => Boolean(delta.commands || delta.missed));
  const place = rest === "bulk" ? "bulk" : "all";
  return (
    <>
      <PageHeader
        title="Commands"
        hint="What was asked of devices, where each command stands, and what came of it."
        actions={
          <>
            <RefreshNote {...refreshing} />
            {operator && (
              <Button variant="primary" onClick={() => setOrdering(true)}>
                <Plus /> Send a command
              </Button>
            )}
          </>
        }
      />
      <Tabs label="Commands" tabs={TABS} value={place} onChange={(next) => void navigate(next === "bulk" ? "/commands/bulk" : "/commands")}>
        <TabPanel value={place}>{place === "bulk" ? <BulkList /> : <Ledger onOpen={openCommand} />}</TabPanel>
      </Tabs>
      <CommandDrawer id={command} onClose={() => openCommand(null)} />
      {ordering && <OrderDialog onClose={() => setOrdering(false)} onSent={(sent) => openCommand(sent.id)} />}
    </>
  );
}
