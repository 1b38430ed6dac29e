// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { Ban, KeyRound } from "lucide-react";
import { useMemo, useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { useKeyset } from "@/lib/keyset";
import { useFilter } from "@/lib/use-filter";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Confirm } from "@/ui/dialog";
import { SearchBox } from "@/ui/search-box";
import { Empty } from "@/ui/states";
import { Time, useNow } from "@/ui/time";
import { toast } from "@/ui/toast";
import { API_TOKENS_KEY } from "./new-token";
import { RoleBadge } from "./role";

type Token = Schema<"ApiToken">;

const SHOWN = 3;
const idOf = (token: Token) => token.id;
const nameOf = (token: Token) => token.name;
const isOver = (token: Token, nowMs: number) => token.revoked_at !== null || new Date(token.expires_at).getTime() <= nowMs;

function State({ token }: { token: Token }) {
  const over = isOver(token, useNow());
  if (token.revoked_at) return <Badge tone="bad">revoked</Badge>;
  return over ? <Badge>expired</Badge> : <Badge tone="ok">valid</Badge>;
}

function ScopeList({ token }: { token: Token }) {
  const more = token.scopes.length - SHOWN;
  return (
    <span className="flex min-w-0 items-center gap-1" title={token.scopes.join(", ")}>
      {token.scopes.slice(0, SHOWN).map((scope) => (
        <code key={scope} className="truncate rounded bg-surface-2 px-1.5 py-0.5 font-mono text-xs">
          {scope}
        </code>
      ))}
      {more > 0 && <span className="text-xs whitespace-nowrap text-ink-3">+{more}</span>}
    </span>
  );
}

function RevokeButton({ token, onRevoke }: { token: Token; onRevoke: (token: Token) => void }) {
  if (isOver(token, useNow())) return null;
  return (
    <Button size="sm" variant="ghost" aria-label={`Revoke ${token.name}`} onClick={() => onRevoke(token)}>
      <Ban />
      Revoke
    </Button>
  );
}

const nameCell = (token: Token) => <span className="truncate font-medium">{token.name}</span>;

function columns(onRevoke: (token: Token) => void): Column<Token>[] {
  return [
    { id: "name", title: "Token", grow: 1, width: 150, always: true, cell: nameCell },
    { id: "state", title: "State", width: 96, cell: (token) => <State token={token} /> },
    { id: "role", title: "Role", width: 100, cell: (token) => <RoleBadge role={token.role} /> },
    { id: "scopes", title: "Scopes", grow: 2, width: 220, cell: (token) => <ScopeList token={token} /> },
    { id: "by", title: "Of", width: 104, cell: (token) => <span className="truncate">{token.created_by}</span> },
    { id: "used", title: "Last used", width: 108, cell: (token) => <Time at={token.last_used_at} otherwise="never" /> },
    { id: "ends", title: "Ends", width: 100, cell: (token) => <Time at={token.expires_at} /> },
    { id: "do", title: "Actions", width: 128, align: "end", cell: (token) => <RevokeButton token={token} onRevoke={onRevoke} /> },
  ];
}

function TokenCard({ token, onRevoke }: { token: Token; onRevoke: (token: Token) => void }) {
  return (
    <div className="grid gap-2">
      <div className="flex items-center justify-between gap-2">
        <p className="min-w-0 truncate font-medium">{token.name}</p>
        <State token={token} />
      </div>
      <ScopeList token={token} />
      <div className="flex min-h-8 items-center justify-between gap-2 text-xs text-ink-3">
        <span>
          {token.role} · of {token.created_by} · ends <Time at={token.expires_at} />
        </span>
        <RevokeButton token={token} onRevoke={onRevoke} />
      </div>
    </div>
  );
}

function NoTokens({ q, onAll, onCreate }: { q: string | undefined; onAll: () => void; onCreate: () => void }) {
  if (q)
    return (
      <Empty
        icon={KeyRound}
        title={`Neither a token nor its maker is called “${q}”`}
        action={<Button onClick={onAll}>Show all tokens</Button>}
      />
    );
  return (
    <Empty icon={KeyRound} title="No API tokens" action={<Button variant="primary" onClick={onCreate}>New API token</Button>}>
      A token lets a program use the API in your name, within the scopes that you choose.
    </Empty>
  );
}

const FILTER = ["q"] as const;

export function ApiTokens({ onCreate }: { onCreate: () => void }) {
  const queries = useQueryClient();
  const [filter, setFilter] = useFilter(FILTER);
  const list = useKeyset([...API_TOKENS_KEY, filter], async (before, signal) => {
    const page = await api.get("/admin/api-tokens", { query: { q: filter.q, before, limit: 200 }, signal });
    return { rows: page.tokens, next: page.next_before };
  });
  const [revoking, setRevoking] = useState<Token | null>(null);
  const cells = useMemo(() => columns(setRevoking), []);
  const revoke = async () => {
    if (!revoking) return;
    await api.delete("/admin/api-tokens/{id}", { path: { id: revoking.id } });
    toast.ok(`${revoking.name} is not valid any more.`);
    await queries.invalidateQueries({ queryKey: API_TOKENS_KEY });
  };
  return (
    <>
      <SearchBox
        label="Search API tokens"
        placeholder="Name, or whose it is"
        className="mb-3 sm:max-w-sm"
        value={filter.q ?? ""}
        onChange={(q) => setFilter({ q })}
      />
      <Card className="overflow-hidden">
        <DataTable
          label="API tokens"
          columns={cells}
          rows={list.rows}
          rowId={idOf}
          rowName={nameOf}
          {...list.table}
          renderCard={(token) => <TokenCard token={token} onRevoke={setRevoking} />}
          empty={<NoTokens q={filter.q} onAll={() => setFilter({ q: "" })} onCreate={onCreate} />}
        />
      </Card>
      <Confirm
        open={revoking !== null}
        onOpenChange={(open) => !open && setRevoking(null)}
        title={`Revoke ${revoking?.name ?? "the token"}?`}
        description="Whatever uses it is refused from now on. A revoked token can't be brought back."
        action="Revoke"
        danger
        onConfirm={revoke}
      />
    </>
  );
}
