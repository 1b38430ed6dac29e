// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { ChevronRight } from "lucide-react";
import { api } from "@/api/client";
import { cn } from "@/lib/cn";
import { useOpened } from "@/lib/use-opened";
import { Badge, StatusBadge } from "@/ui/badge";
import { Card, CardHeader } from "@/ui/card";
import { Failure, Skeleton } from "@/ui/states";
import { RuleDrawer } from "./rule-drawer";
import { firesWhen, hasHold, heldFor, ruleDoc, type AlertRule } from "./rule-words";

const some = (number: number, one: string) => `${number} ${number === 1 ? one : `${one}s`}`;

function overrides(rule: AlertRule): string {
  const parts = [
    rule.tag_override_count > 0 ? some(rule.tag_override_count, "tag") : null,
    rule.device_override_count > 0 ? some(rule.device_override_count, "device") : null,
  ];
  return parts.filter(Boolean).join(", ");
}

function RuleLine({ rule, onOpen }: { rule: AlertRule; onOpen: () => void }) {
  const { enabled, severity, hold_s } = rule.effective;
  const differs = overrides(rule);
  return (
    <li>
      <button
        type="button"
        onClick={onOpen}
        className="grid w-full grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 gap-y-1 px-4 py-3 text-left -outline-offset-2 hover:bg-surface-2/60 md:grid-cols-[minmax(0,5fr)_minmax(0,3fr)_7rem_minmax(0,2fr)_5rem_1rem]"
      >
        <span className="min-w-0">
          <span className="flex items-center gap-2 font-medium">
            <span className="truncate">{rule.title}</span>
            {rule.fleet && <Badge tone="accent">changed</Badge>}
          </span>
          <span className="mt-0.5 line-clamp-2 block text-xs text-ink-3">{ruleDoc(rule)}</span>
        </span>
        <span className={cn("text-sm tabular max-md:order-3", !enabled && "text-ink-3")}>
          {firesWhen(rule)}
          {hasHold(rule) && hold_s > 0 && <span className="block text-xs text-ink-3">fires {heldFor(hold_s)}</span>}
        </span>
        <span className="max-md:order-4 max-md:justify-self-end">
          <StatusBadge status={severity} />
        </span>
        <span className="truncate text-xs text-ink-2 max-md:hidden">{differs ? `differs for ${differs}` : ""}</span>
        <span className="max-md:order-2 max-md:self-start max-md:justify-self-end">{enabled ? <Badge tone="ok">on</Badge> : <Badge>off</Badge>}</span>
        <ChevronRight className="size-4 text-ink-3 max-md:hidden" aria-hidden />
      </button>
    </li>
  );
}

/** What is judged, when it fires, and for whom it differs. */
export function Rules() {
  const [opened, open] = useOpened("rule");
  const query = useQuery({
    queryKey: ["alerts", "rules"],
    queryFn: ({ signal }) => api.get("/admin/alert-rules", { signal }),
    staleTime: 60_000,
  });
  const rules = query.data?.rules ?? [];
  const groups = [
    { about: "device", title: "About devices", hint: "They may differ for tags and for single devices; the narrower one wins." },
    { about: "appliance", title: "About the appliance", hint: "Its own disk, database, backups and jobs." },
  ] as const;
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
  return (
    <div className="grid grid-cols-1 gap-4">
      {query.isPending && <Skeleton className="h-96" />}
      {rules.length > 0 &&
        groups.map((group) => (
          <Card key={group.about}>
            <CardHeader title={group.title} hint={group.hint} />
            <ul className="mt-1 divide-y divide-line border-t border-line">
              {rules
                .filter((rule) => rule.about === group.about)
                .map((rule) => (
                  <RuleLine key={rule.rule} rule={rule} onOpen={() => open(rule.rule)} />
                ))}
            </ul>
          </Card>
        ))}
      <RuleDrawer rule={rules.find((rule) => rule.rule === opened) ?? null} onClose={() => open(null)} />
    </div>
  );
}
