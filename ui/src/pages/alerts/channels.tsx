// SPDX-License-Identifier: Apache-2.0
import { Plus, RadioTower } from "lucide-react";
import { useState } from "react";
import { useMay } from "@/session/session";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import { ChannelActions } from "./channel-actions";
import { ChannelDialog } from "./channel-dialog";
import { ChannelTest } from "./channel-test";
import { CHANNEL_KINDS, leadsTo, whatIsTold, type Channel } from "./channel-words";
import { useChannels } from "./told";

function Health({ channel }: { channel: Channel }) {
  if (!channel.enabled) return <Badge>off</Badge>;
  if (channel.broken) return <Badge tone="bad">broken</Badge>;
  if (channel.failed_at) return <Badge tone="warn">failing</Badge>;
  return <Badge tone="ok">on</Badge>;
}

function ChannelCard({ channel }: { channel: Channel }) {
  const admin = useMay("admin");
  const { icon: Icon, name } = CHANNEL_KINDS[channel.kind];
  return (
    <Card className="flex flex-col" aria-label={channel.name}>
      <div className="flex items-start gap-3 p-4">
        <span className="grid size-9 shrink-0 place-items-center rounded-control bg-surface-2 text-ink-2">
          <Icon className="size-4.5" aria-hidden />
        </span>
        <div className="min-w-0 grow">
          <div className="flex items-center gap-2">
            <h2 className="truncate text-sm font-semibold">{channel.name}</h2>
            <Health channel={channel} />
          </div>
          <p className="truncate text-xs text-ink-3">
            {name} · {leadsTo(channel)}
          </p>
        </div>
        {admin && <ChannelActions channel={channel} />}
      </div>
      <div className="grid grow content-start gap-3 px-4 pb-4">
        <p className="text-sm text-ink-2">
          Told: {whatIsTold(channel)}. <span className="text-ink-3">At most {channel.rate_per_min} a minute.</span>
        </p>
        {channel.error && (
          <div className="rounded-control bg-bad-soft px-3 py-2 text-xs">
            <p className="font-medium text-bad">
              {channel.broken ? "Refused for good" : "The last message did not get through"} <Time at={channel.failed_at} />
            </p>
            <p className="mt-0.5 break-words text-ink">{channel.error}</p>
            {channel.broken && (
              <p className="mt-0.5 text-ink-2">
                {channel.enabled
                  ? "Nothing is sent until it is changed or a test gets through."
                  : "Turn it on again when the other side wants it."}
              </p>
            )}
          </div>
        )}
      </div>
      {admin && (
        <div className="border-t border-line px-4 py-3">
          <ChannelTest channel={channel} />
        </div>
      )}
    </Card>
  );
}

/** Where people are told. */
export function Channels() {
  const admin = useMay("admin");
  const [making, setMaking] = useState(false);
  const query = useChannels();
  const channels = query.data?.channels ?? [];
  const make = admin && (
    <Button variant="primary" onClick={() => setMaking(true)}>
      <Plus /> New channel
    </Button>
  );
  return (
    <>
      {channels.length > 0 && (
        <div className="mb-3 flex flex-wrap items-center justify-between gap-3">
          <p className="text-sm text-ink-2">Where the team is told. People subscribe to mail of their own in their settings.</p>
          {make}
        </div>
      )}
      {query.error && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.isPending && !query.error && (
        <div className="grid gap-4 md:grid-cols-2" aria-busy="true">
          <Skeleton className="h-44" />
          <Skeleton className="h-44" />
        </div>
      )}
      {query.data && channels.length === 0 && (
        <Card>
          <Empty icon={RadioTower} title="Nobody is told yet" action={make}>
            Incidents show here all the same. A channel tells them in Discord, by a signed webhook or by mail.
          </Empty>
        </Card>
      )}
      <div className="grid gap-4 md:grid-cols-2 xl:grid-cols-3">
        {channels.map((channel) => (
          <ChannelCard key={channel.id} channel={channel} />
        ))}
      </div>
      {making && <ChannelDialog onClose={() => setMaking(false)} />}
    </>
  );
}
