// SPDX-License-Identifier: Apache-2.0
import { Ban, QrCode } from "lucide-react";
import { useMemo, useState } from "react";
import { Link } from "react-router";
import { useQueryClient } from "@tanstack/react-query";
import { api } from "@/api/client";
import { tokenState, type Token, type TokenState } from "@/lib/enrol";
import { count } from "@/lib/format";
import { liveStore } from "@/live/store";
import { Badge, type Tone } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card, CardHeader } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Confirm } from "@/ui/dialog";
import { Segments } from "@/ui/select";
import { Empty } from "@/ui/states";
import { Time, useNow } from "@/ui/time";
import { toast } from "@/ui/toast";
import { TOKENS_KEY, useSummary, useTokens, type Shown } from "./use-tokens";

const TONE: Record<TokenState, Tone> = { open: "ok", "used up": "neutral", expired: "neutral", revoked: "bad" };
const nameOf = (token: Token) => token.note ?? `Token ${token.id}`;
const idOf = (token: Token) => token.id;

const Note = ({ token }: { token: Token }) =>
  token.note ? <span className="font-medium">{token.note}</span> : <span className="text-ink-3">no note</span>;

function State({ token }: { token: Token }) {
  const state = tokenState(token, useNow());
  return <Badge tone={TONE[state]}>{state}</Badge>;
}

function Uses({ token }: { token: Token }) {
  return (
    <span className="flex items-center gap-2.5">
      <span className="tabular whitespace-nowrap">
        {count(token.uses)} of {count(token.max_uses)}
      </span>
      <span aria-hidden className="h-1.5 w-14 overflow-hidden rounded-full bg-surface-2">
        <span className="block h-full rounded-full bg-accent" style={{ width: `${(100 * token.uses) / token.max_uses}%` }} />
      </span>
    </span>
  );
}

function LastDevice({ token }: { token: Token }) {
  const id = token.last_device_id;
  if (!id) return <span className="text-ink-3">–</span>;
  return (
    <span className="flex min-w-0 items-baseline gap-2">
      <Link to={`/devices/${id}`} className="truncate hover:underline">
        {liveStore.devices.get(id)?.alias ?? `Device ${id}`}
      </Link>
      <Time at={token.last_used_at} className="shrink-0 text-xs text-ink-3" />
    </span>
  );
}

function Ends({ token }: { token: Token }) {
  return <>{new Date(token.expires_at).getTime() <= useNow() ? "ended" : "ends"}</>;
}

function RevokeButton({ token, onRevoke }: { token: Token; onRevoke: (token: Token) => void }) {
  if (tokenState(token, useNow()) !== "open") return null;
  return (
    <Button size="sm" variant="ghost" aria-label={`Revoke ${nameOf(token)}`} onClick={() => onRevoke(token)}>
      <Ban />
      Revoke
    </Button>
  );
}

function columns(onRevoke: (token: Token) => void): Column<Token>[] {
  return [
    { id: "note", title: "For", grow: 2, width: 180, always: true, cell: (token) => <Note token={token} /> },
    { id: "state", title: "State", width: 104, cell: (token) => <State token={token} /> },
    { id: "uses", title: "Devices", width: 168, cell: (token) => <Uses token={token} /> },
    { id: "last", title: "Last let in", grow: 1, width: 170, cell: (token) => <LastDevice token={token} /> },
    { id: "expires", title: "Ends", width: 112, cell: (token) => <Time at={token.expires_at} /> },
    { id: "created", title: "Made", width: 112, cell: (token) => <Time at={token.created_at} /> },
    { id: "do", title: "Actions", width: 128, align: "end", cell: (token) => <RevokeButton token={token} onRevoke={onRevoke} /> },
  ];
}

function TokenCard({ token, onRevoke }: { token: Token; onRevoke: (token: Token) => void }) {
  return (
    <div className="grid gap-1.5">
      <div className="flex items-center justify-between gap-2">
        <p className="min-w-0 truncate font-medium">{nameOf(token)}</p>
        <State token={token} />
      </div>
      <div className="flex items-center justify-between gap-2 text-xs text-ink-2">
        <div className="grid min-w-0 gap-1">
          <Uses token={token} />
          <span>
            <Ends token={token} /> <Time at={token.expires_at} />
          </span>
          {token.last_device_id && <LastDevice token={token} />}
        </div>
        <RevokeButton token={token} onRevoke={onRevoke} />
      </div>
    </div>
  );
}

/** What has come of the list, without those that have ended since. */
function useShown(shown: Shown) {
  const list = useTokens(shown);
  const now = useNow();
  if (shown === "all") return list;
  const rows = list.rows.filter((token) => tokenState(token, now) === "open");
  const total = list.table.total === undefined ? undefined : list.table.total - (list.rows.length - rows.length);
  return { ...list, rows, table: { ...list.table, total } };
}

export function TokenTable({ onCreate }: { onCreate: () => void }) {
  const queries = useQueryClient();
  const [shown, setShown] = useState<Shown>("open");
  const [revoking, setRevoking] = useState<Token | null>(null);
  const cells = useMemo(() => columns(setRevoking), []);
  const list = useShown(shown);
  const counts = useSummary().data;

  const revoke = async () => {
    if (!revoking) return;
    await api.delete("/admin/enrolment-tokens/{id}", { path: { id: revoking.id } });
    toast.ok(`${nameOf(revoking)} lets nobody in any more.`);
    await queries.invalidateQueries({ queryKey: TOKENS_KEY });
  };
  return (
    <Card>
      <CardHeader
        title="Tokens"
        hint="The secret itself is kept as a hash alone"
        actions={
          <Segments
            label="Which tokens"
            size="sm"
            value={shown}
            onChange={setShown}
            options={[
              { value: "open", label: counts ? `Open ${count(counts.open_count)}` : "Open" },
              { value: "all", label: counts ? `All ${count(counts.count)}` : "All" },
            ]}
          />
        }
      />
      <DataTable
        label="Enrolment tokens"
        columns={cells}
        rows={list.rows}
        {...list.table}
        rowId={idOf}
        rowName={nameOf}
        renderCard={(token) => <TokenCard token={token} onRevoke={setRevoking} />}
        empty={
          <Empty
            icon={QrCode}
            title={counts?.count ? "No token is open" : "No enrolment token yet"}
            action={
              <Button variant="primary" onClick={onCreate}>
                New token
              </Button>
            }
          >
            A token lets a device register by itself. It ends after a time or a number of devices, whichever comes first.
          </Empty>
        }
      />
      <Confirm
        open={revoking !== null}
        onOpenChange={(next) => !next && setRevoking(null)}
        title={`Revoke ${revoking ? `“${nameOf(revoking)}”` : "the token"}?`}
        description="It lets no more devices in. Devices that it has let in stay."
        action="Revoke"
        danger
        onConfirm={revoke}
      />
    </Card>
  );
}
