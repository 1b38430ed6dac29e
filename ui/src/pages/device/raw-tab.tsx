// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { Braces } from "lucide-react";
import { api } from "@/api/client";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { CodeBlock } from "@/ui/copy-button";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import { serverNow } from "@/live/server-now";
import { keyOf } from "./use-device";

const DAYS_BACK = 90;

/** The newest heartbeat as it is stored, with the keys that the appliance does not know. */
export function RawTab({ deviceId }: { deviceId: string }) {
  const query = useQuery({
    queryKey: keyOf(deviceId, "heartbeats", "newest"),
    queryFn: async ({ signal }) => {
      const from = new Date((serverNow() - DAYS_BACK * 86_400) * 1000).toISOString();
      const answer = await api.get("/admin/devices/{id}/heartbeats", { path: { id: deviceId }, query: { from, limit: 1 }, signal });
      return answer.heartbeats?.[0] ?? null;
    },
  });
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (query.isPending) return <Skeleton className="h-96" />;
  if (!query.data)
    return (
      <Card>
        <Empty icon={Braces} title="No heartbeat yet">
          The first one is shown here as it is stored.
        </Empty>
      </Card>
    );
  return (
    <Card>
      <CardHeader
        title="Last heartbeat"
        hint={
          <>
            received <Time at={query.data.received_at} />; under <code>extra</code> what the appliance has no name for
          </>
        }
      />
      <CardBody>
        <CodeBlock text={JSON.stringify(query.data, null, 2)} label="Copy the heartbeat" />
      </CardBody>
    </Card>
  );
}
