// SPDX-License-Identifier: Apache-2.0
import { Mail, MessagesSquare, Webhook, type LucideIcon } from "lucide-react";
import { ruleTitle } from "@/lib/alert-words";
import type { Schema } from "@/api/types";

export type Channel = Schema<"AlertChannel">;
export type ChannelKind = Channel["kind"];

export const CHANNEL_KINDS: Record<ChannelKind, { name: string; icon: LucideIcon; hint: string }> = {
  discord: { name: "Discord", icon: MessagesSquare, hint: "A message in a channel of yours, kept up to date in place." },
  webhook: { name: "Webhook", icon: Webhook, hint: "A signed POST to an address of yours, for pagers, chats and tickets." },
  email: { name: "Mail", icon: Mail, hint: "A mail to each address; one thread an incident." },
};

const SEVERITY: Record<Channel["min_severity"], string> = {
  info: "everything",
  warning: "warnings and worse",
  critical: "critical alone",
};

const someOf = (names: string[], many: string): string => (names.length > 2 ? `${names.length} ${many}` : names.join(", "));

/** "warnings and worse, of Low battery, at Graz, once a day at 07:30". */
export function whatIsTold(channel: Channel): string {
  const parts = [SEVERITY[channel.min_severity]];
  if (channel.rules.length) parts.push(`of ${someOf(channel.rules.map(ruleTitle), "rules")}`);
  if (channel.tags.length) parts.push(`tagged ${someOf(channel.tags, "tags")}`);
  if (channel.sites.length) parts.push(`at ${someOf(channel.sites, "sites")}`);
  if (channel.mode === "digest") parts.push(`once a day at ${channel.digest_at} (${channel.digest_zone})`);
  return parts.join(", ");
}

/** Where its messages go; URLs are secret but for their host. */
export const leadsTo = (channel: Channel): string => channel.to?.join(", ") ?? channel.host ?? "–";

/** Addresses as people type them: by commas, blanks, lines. */
export const addressesOf = (text: string): string[] => [...new Set(text.split(/[\s,;]+/).filter(Boolean))];
