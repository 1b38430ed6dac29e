// SPDX-License-Identifier: Apache-2.0
/** What the device tells of its agent's version, and what came of looking for updates. */
import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { Link } from "react-router";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { commandType } from "@/lib/command-types";
import { noteOf, type Command } from "@/lib/command-words";
import { serverNow } from "@/live/server-now";
import { StateBadge } from "@/pages/commands/state-badge";
import { useLiveStates } from "@/pages/commands/use-live-states";
import { useSending } from "./send-command";
import { useMay } from "@/session/session";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { Fact, Facts } from "@/ui/stat";
import { Time } from "@/ui/time";
import { isOlder } from "./version";
import { keyOf, type Device } from "./use-device";

const DAYS_BACK = 30;
const SHOWN = 3;

/** The newest changes of the version; part of "events", so that a heartbeat reads them again. */
const useVersions = (id: string) =>
  useQuery({
    queryKey: keyOf(id, "events", "versions"),
    queryFn: async ({ signal }) => {
      const from = new Date((serverNow() - DAYS_BACK * 86_400) * 1000).toISOString();
      const answer = await api.get("/admin/devices/{id}/events", { path: { id }, query: { from, limit: 500 }, signal });
      return answer.events.filter((event) => event.what === "agent_version");
    },
    staleTime: 5 * 60_000,
  }).data ?? [];

const useNudges = (id: string) =>
  useLiveStates(
    useQuery({
      queryKey: ["commands", "device", id, "updates"],
      queryFn: async ({ signal }) =>
        (await api.get("/admin/commands", { query: { device_id: id, type: "nudge_update", limit: SHOWN }, signal })).commands,
    }).data ?? NONE,
  );
const NONE: readonly Command[] = [];

function Nudge({ command }: { command: Command }) {
  const note = noteOf(command);
  return (
    <li className="grid gap-0.5">
      <span className="flex items-center gap-2">
        <Link
          to={`/devices/${command.device_id}/commands?command=${command.id}`}
          aria-label={`Command ${command.id}`}
          className="rounded-full"
        >
          <StateBadge state={command.state} />
        </Link>
        <Time at={command.created_at} className="ml-auto text-xs text-ink-3" />
      </span>
      {note && <span className="text-xs text-ink-2">{note}</span>}
    </li>
  );
}

export function UpdatesCard({ device, rules }: { device: Device; rules: readonly Schema<"DeviceAlertRule">[] | undefined }) {
  const versions = useVersions(device.id);
  const nudges = useNudges(device.id);
  const sending = useSending(device);
  const operator = useMay("operator") && !device.deleted_at;
  const rule = rules?.find((one) => one.rule === "agent_outdated")?.effective;
  const least = rule?.enabled ? rule.text_value : null;
  const running = device.agent_version ?? null;
  const old = running && least ? isOlder(running, least) : null;
  const changed = versions[0];
  return (
    <Card>
      <CardHeader
        title="Updates"
        actions={
          operator && (
            <Button size="sm" onClick={() => sending.choose(commandType("nudge_update"))}>
              <Download /> Look for one…
            </Button>
          )
        }
      />
      <CardBody className="grid gap-3">
        <Facts>
          <Fact label="Runs">
            <span className="flex flex-wrap items-center gap-2">
              <span className="font-medium tabular">{running ?? "not told"}</span>
              {old !== null && <Badge tone={old ? "warn" : "ok"}>{old ? `older than ${least}` : "new enough"}</Badge>}
            </span>
          </Fact>
          <Fact label="Since">
            {changed ? (
              <>
                <Time at={changed.at} /> <span className="text-ink-3">from {changed.before ?? "an unknown one"}</span>
              </>
            ) : (
              <span className="text-ink-3">no change within {DAYS_BACK} days</span>
            )}
          </Fact>
        </Facts>
        {nudges.length > 0 && (
          <ul aria-label="Updates that were looked for" className="grid gap-2 border-t border-line pt-3 text-sm">
            {nudges.map((command) => (
              <Nudge key={command.id} command={command} />
            ))}
          </ul>
        )}
      </CardBody>
      {sending.dialog}
    </Card>
  );
}
