// SPDX-License-Identifier: Apache-2.0
/** One command to many devices: how far it is, above the ledger of its commands. */
import { useQuery } from "@tanstack/react-query";
import { SearchX, X } from "lucide-react";
import { api } from "@/api/client";
import { actorName } from "@/lib/alert-words";
import { commandTitle } from "@/lib/command-types";
import { payloadLine, progressOf } from "@/lib/command-words";
import { count, devices } from "@/lib/format";
import { isUnknown } from "@/lib/form-error";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import { BulkActions } from "./bulk-actions";
import { BulkProgress, type Bulk } from "./bulk-progress";

function Said({ bulk }: { bulk: Bulk }) {
  const left = bulk.asked_count - bulk.device_count;
  const line = payloadLine(bulk.payload);
  return (
    <>
      asked <Time at={bulk.created_at} /> by {actorName(bulk.created_by)}
      {line && ` · ${line}`}
      {left > 0 && ` · ${count(left)} of ${count(bulk.asked_count)} can't do it and were left out`}
      {bulk.withheld_count > 0 && ` · ${count(bulk.withheld_count)} held back: their devices are in quarantine`}
    </>
  );
}

export function BulkPanel({ id, onAll }: { id: string; onAll: () => void }) {
  const query = useQuery({
    queryKey: ["commands", "bulk", id],
    queryFn: ({ signal }) => api.get("/admin/bulk-commands/{id}", { path: { id }, signal }),
  });
  const bulk = query.data;
  const acts = useMay("operator") && bulk && progressOf(bulk.states).canCancel > 0;
  const unknown = isUnknown(query.error);
  return (
    <Card className="mb-4" aria-label={`Bulk command ${id}`}>
      <CardHeader
        title={bulk ? `${commandTitle(bulk.type)}: ${devices(bulk.device_count)}` : `Bulk command ${id}`}
        hint={bulk && <Said bulk={bulk} />}
        actions={
          <>
            {acts && <BulkActions bulk={bulk} />}
            <Button size="sm" variant="ghost" onClick={onAll}>
              <X /> All commands
            </Button>
          </>
        }
      />
      <CardBody>
        {unknown && (
          <Empty icon={SearchX} title="There is no such bulk command">
            Nothing has the number {id}.
          </Empty>
        )}
        {query.error && !unknown && <Failure error={query.error} retry={() => void query.refetch()} />}
        {query.isPending && !query.error && <Skeleton className="h-18" />}
        {bulk && <BulkProgress bulk={bulk} />}
      </CardBody>
    </Card>
  );
}
