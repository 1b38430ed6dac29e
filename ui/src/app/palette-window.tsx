// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { Command } from "cmdk";
import { ArrowRight, BookOpen, Keyboard, LogOut, Monitor, Moon, Search, Sun, TabletSmartphone, type LucideIcon } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { useState, type ReactNode, type RefObject } from "react";
import { useNavigate } from "react-router";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { cn } from "@/lib/cn";
import { useDebounced } from "@/lib/use-debounced";
import { signOut, useSession, type Role } from "@/session/session";
import { StatusBadge } from "@/ui/badge";
import { Kbd } from "@/ui/kbd";
import { Spinner } from "@/ui/spinner";
import { toast } from "@/ui/toast";
import { PAGES, type Place } from "./nav";
import { matches } from "./palette-match";
import { setTheme } from "./theme";

const DEVICES_SHOWN = 8;
const GROUP = [
  "px-2 pb-1.5 [&_[cmdk-group-heading]]:px-2.5 [&_[cmdk-group-heading]]:pt-2.5 [&_[cmdk-group-heading]]:pb-1",
  "[&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:font-semibold [&_[cmdk-group-heading]]:tracking-wide",
  "[&_[cmdk-group-heading]]:text-ink-3 [&_[cmdk-group-heading]]:uppercase",
].join(" ");

interface Action {
  label: string;
  words: string;
  icon: LucideIcon;
  act: () => void;
}

interface ItemProps {
  value: string;
  icon: LucideIcon;
  onSelect: () => void;
  children: ReactNode;
  note?: ReactNode;
}

function Item({ value, icon: Icon, onSelect, children, note }: ItemProps) {
  return (
    <Command.Item
      value={value}
      onSelect={onSelect}
      className={cn(
        "group flex min-h-10 cursor-default items-center gap-3 rounded-control px-2.5 text-sm select-none",
        "data-[selected=true]:bg-accent-soft data-[selected=true]:text-accent",
      )}
    >
      <Icon className="size-4 shrink-0 text-ink-3 group-data-[selected=true]:text-accent" aria-hidden />
      <span className="min-w-0 grow truncate">{children}</span>
      {note}
    </Command.Item>
  );
}

function useDevices(q: string) {
  return useQuery({
    queryKey: ["palette", q],
    queryFn: ({ signal }) => api.get("/admin/devices", { query: { q, limit: DEVICES_SHOWN }, signal }),
    enabled: q !== "",
    placeholderData: (was) => was,
  });
}

/** Pages, and once something is typed their parts too. */
function placesFor(typed: string, may: (role: Role) => boolean): (Place & { icon: LucideIcon })[] {
  return PAGES.filter((page) => may(page.role)).flatMap((page) => {
    const parts = typed.trim() === "" ? [] : (page.places ?? []).filter((part) => may(part.role ?? page.role));
    return [page, ...parts].filter((one) => matches(typed, `${one.label} ${one.words ?? ""}`)).map((one) => ({ ...one, icon: page.icon }));
  });
}

const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

function Devices({ devices, q, follow }: { devices: Schema<"Device">[]; q: string; follow: (to: string) => void }) {
  return (
    <Command.Group heading="Devices" className={GROUP}>
      {devices.map((device) => (
        <Item
          key={device.id}
          value={`device ${device.id}`}
          icon={TabletSmartphone}
          onSelect={() => follow(`/devices/${device.id}`)}
          note={<StatusBadge status={device.status} />}
        >
          {device.alias}
          {device.site && <span className="ml-2 text-xs text-ink-3">{device.site}</span>}
        </Item>
      ))}
      {devices.length === DEVICES_SHOWN && (
        <Item value="device all" icon={ArrowRight} onSelect={() => follow(`/devices?q=${encodeURIComponent(q)}`)}>
          All devices with “{q}”
        </Item>
      )}
    </Command.Group>
  );
}

interface PaletteWindowProps {
  /** What was typed while this was loading. */
  typedBefore: RefObject<string>;
  onClose: () => void;
  onHelp: () => void;
}

export default function PaletteWindow({ typedBefore, onClose, onHelp }: PaletteWindowProps) {
  const [typed, setTyped] = useState(() => typedBefore.current);
  const navigate = useNavigate();
  const { user } = useSession();
  const q = useDebounced(typed.trim());
  const found = useDevices(q);

  const after = (act: () => void) => () => {
    onClose();
    act();
  };
  const follow = (to: string) => after(() => void navigate(to))();
  const may = (role: Role) => user !== null && RANK[user.role as Role] >= RANK[role];
  const pages = placesFor(typed, may);
  const actions: Action[] = [
    { label: "Theme: light", words: "appearance bright", icon: Sun, act: after(() => setTheme("light")) },
    { label: "Theme: dark", words: "appearance night", icon: Moon, act: after(() => setTheme("dark")) },
    { label: "Theme: as the system", words: "appearance auto", icon: Monitor, act: after(() => setTheme("system")) },
    { label: "Keys", words: "keyboard shortcuts help", icon: Keyboard, act: onHelp },
    {
      label: "API documentation",
      words: "openapi docs reference",
      icon: BookOpen,
      act: after(() => window.open("/api/docs", "_blank", "noopener")),
    },
    { label: "Sign out", words: "logout leave", icon: LogOut, act: after(() => void signOut().catch(toast.failed)) },
  ].filter((action) => matches(typed, `${action.label} ${action.words}`));
  const devices = q !== "" && typed.trim() !== "" ? (found.data?.devices ?? []) : [];
  const searching = typed.trim() !== "" && (q !== typed.trim() || found.isFetching);
  const nothing = pages.length + actions.length + devices.length === 0;

  return (
    <Radix.Root open onOpenChange={onClose}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-50 bg-black/50 backdrop-blur-[2px]" />
        <Radix.Content
          aria-describedby={undefined}
          className={cn(
            "fixed inset-x-3 top-[10vh] z-50 mx-auto max-w-xl overflow-hidden",
            "rounded-card border border-line bg-raised shadow-float",
          )}
        >
          <Radix.Title className="sr-only">Search devices, pages and actions</Radix.Title>
          <Command shouldFilter={false} loop label="Search">
            <div className="flex items-center gap-3 border-b border-line px-4">
              {searching ? <Spinner className="text-ink-3" /> : <Search className="size-4 shrink-0 text-ink-3" aria-hidden />}
              <Command.Input
                value={typed}
                onValueChange={setTyped}
                placeholder="A device, a page, an action"
                className="h-13 min-w-0 grow bg-transparent text-base outline-none placeholder:text-ink-3 sm:text-sm"
              />
              <span className="pointer-coarse:hidden">
                <Kbd>Esc</Kbd>
              </span>
            </div>
            <Command.List className="max-h-[min(26rem,60vh)] scroll-py-2 overflow-y-auto overscroll-contain">
              {pages.length > 0 && (
                <Command.Group heading="Pages" className={GROUP}>
                  {pages.map((page) => (
                    <Item key={page.path} value={`page ${page.path}`} icon={page.icon} onSelect={() => follow(page.path)}>
                      {page.label}
                    </Item>
                  ))}
                </Command.Group>
              )}
              {actions.length > 0 && (
                <Command.Group heading="Actions" className={GROUP}>
                  {actions.map((action) => (
                    <Item key={action.label} value={`action ${action.label}`} icon={action.icon} onSelect={action.act}>
                      {action.label}
                    </Item>
                  ))}
                </Command.Group>
              )}
              {/* Last, because they come late: what is chosen above stays where it is. */}
              {devices.length > 0 && <Devices devices={devices} q={q} follow={follow} />}
              {found.error && typed.trim() !== "" && (
                <p role="alert" className="px-4 pb-3 text-sm text-bad">
                  {found.error.message}
                </p>
              )}
              {nothing && !searching && !found.error && (
                <p className="px-4 py-10 text-center text-sm text-ink-2">Nothing is called “{typed.trim()}”.</p>
              )}
            </Command.List>
          </Command>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
