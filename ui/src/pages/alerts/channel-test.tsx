// SPDX-License-Identifier: Apache-2.0
import { useMutation, useQuery } from "@tanstack/react-query";
import { Send } from "lucide-react";
import { api } from "@/api/client";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Failure } from "@/ui/states";
import { NotificationState, outcome } from "./notification-list";
import type { Channel } from "./channel-words";

/** A message goes out within seconds: asked for a few times, further and further apart. */
const LOOKS_MS = [700, 1500, 3000, 5000, 10_000, 20_000];

/** A test message, and what came of it. */
export function ChannelTest({ channel }: { channel: Channel }) {
  const sending = useMutation({ mutationFn: () => api.post("/admin/alert-channels/{id}/test", { path: { id: channel.id } }) });
  const id = sending.data?.notification_id;
  const result = useQuery({
    queryKey: ["alerts", "test", id],
    queryFn: ({ signal }) => api.get("/admin/alert-notifications/{id}", { path: { id: id ?? "" }, signal }),
    enabled: id !== undefined,
    refetchInterval: (query) =>
      query.state.data && query.state.data.state !== "waiting" ? false : (LOOKS_MS[query.state.dataUpdateCount] ?? false),
  });
  const told = result.data;
  return (
    <div className="grid gap-2">
      <div className="flex flex-wrap items-center gap-3">
        <Button
          size="sm"
          busy={sending.isPending || told?.state === "waiting"}
          disabled={!channel.enabled}
          onClick={() => sending.mutate()}
        >
          <Send /> Send a test
        </Button>
        <span role="status" className="flex min-w-0 items-center gap-2 text-sm">
          {told && (told.state === "sent" ? <Badge tone="ok">it arrived</Badge> : <NotificationState state={told.state} />)}
          {told && <span className="text-xs break-words text-ink-2">{outcome(told)}</span>}
          {!channel.enabled && !told && <span className="text-xs text-ink-3">The channel is off.</span>}
        </span>
      </div>
      {(sending.error ?? result.error) && <Failure error={sending.error ?? result.error} />}
    </div>
  );
}
