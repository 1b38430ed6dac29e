// SPDX-License-Identifier: Apache-2.0
import { Plus } from "lucide-react";
import { useState } from "react";
import { PageHeader } from "@/app/page-header";
import { RefreshNote } from "@/lib/refresh-note";
import { useOpened } from "@/lib/use-opened";
import { useRefresh } from "@/lib/use-refresh";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { CommandDrawer } from "./command-drawer";
import { Ledger } from "./ledger";
import { OrderDialog } from "./order-dialog";

export default function CommandsPage() {
  const operator = useMay("operator");
  const [ordering, setOrdering] = useState(false);
  const [command, openCommand] = useOpened("command");
  const refreshing = useRefresh(["commands"], (delta) => Boolean(delta.commands));
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
      <Ledger onOpen={openCommand} />
      <CommandDrawer id={command} onClose={() => openCommand(null)} />
      {ordering && <OrderDialog onClose={() => setOrdering(false)} onSent={(sent) => openCommand(sent.id)} />}
    </>
  );
}
