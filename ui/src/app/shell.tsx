// SPDX-License-Identifier: Apache-2.0
import { LogOut, Menu as MenuIcon, Monitor, Moon, Search, Sun, X } from "lucide-react";
import { Suspense, useCallback, useEffect, useRef, useState } from "react";
import { NavLink, Outlet, useLocation } from "react-router";
import { cn } from "@/lib/cn";
import { count } from "@/lib/format";
import { useMedia } from "@/lib/use-media";
import { useConnection, useFleet } from "@/live/use-live";
import type { ConnectionState } from "@/live/store";
import { signOut, useMay, useSession, type Role } from "@/session/session";
import { Badge, Dot, type Tone } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Kbd } from "@/ui/kbd";
import { Skeleton } from "@/ui/states";
import { toast } from "@/ui/toast";
import { Tooltip } from "@/ui/tooltip";
import { openPalette, Palette } from "./palette";
import { PasswordAdvice } from "./password-advice";
import { PAGES, type Page } from "./nav";
import { setTheme, useTheme, type ThemeChoice } from "./theme";

const CONNECTION: Record<ConnectionState, { tone: Tone; text: string; hint: string }> = {
  live: { tone: "ok", text: "Live", hint: "Changes show as they happen." },
  connecting: { tone: "info", text: "Connecting", hint: "The live channel is being opened." },
  "catching-up": { tone: "info", text: "Catching up", hint: "What changed meanwhile is on its way." },
  reconnecting: { tone: "warn", text: "Reconnecting", hint: "What you see may be old until the channel is back." },
  off: { tone: "neutral", text: "Not live", hint: "This page shows what was read when it was opened." },
};

function Connection() {
  const { tone, text, hint } = CONNECTION[useConnection()];
  return (
    <Tooltip text={hint}>
      <span role="status" className="inline-flex items-center gap-1.5 text-xs font-medium text-ink-2" data-testid="connection">
        <Dot tone={tone} pulse={tone !== "ok"} />
        {text}
      </span>
    </Tooltip>
  );
}

function Brand() {
  return (
    <NavLink to="/" className="flex items-center gap-2.5 px-2 py-1 text-base font-semibold tracking-tight">
      <img src="/favicon.svg" alt="" className="size-7" />
      Muster
    </NavLink>
  );
}

function Entry({ page, onFollow }: { page: Page; onFollow: () => void }) {
  const may = useMay(page.role);
  const fleet = useFleet();
  const silent = page.path === "/devices" ? (fleet?.silent ?? 0) : 0;
  if (!may) return null;
  return (
    <NavLink
      to={page.path}
      end={page.path === "/"}
      onClick={onFollow}
      className={({ isActive }) =>
        cn(
          "flex h-9 items-center gap-2.5 rounded-control px-2.5 text-sm font-medium text-ink-2 pointer-coarse:h-11",
          "hover:bg-surface-2 hover:text-ink",
          isActive && "bg-accent-soft text-accent hover:bg-accent-soft hover:text-accent",
        )
      }
    >
      <page.icon className="size-4" aria-hidden />
      <span className="grow">{page.label}</span>
      {silent > 0 && <Badge tone="bad">{count(silent)}</Badge>}
    </NavLink>
  );
}

const NEXT_THEME: Record<ThemeChoice, ThemeChoice> = { system: "light", light: "dark", dark: "system" };
const THEME_ICON = { system: Monitor, light: Sun, dark: Moon };

function ThemeButton() {
  const theme = useTheme();
  const Icon = THEME_ICON[theme];
  return (
    <Tooltip text={`Theme: ${theme}`}>
      <Button variant="ghost" size="icon-sm" aria-label={`Theme: ${theme}. Change it.`} onClick={() => setTheme(NEXT_THEME[theme])}>
        <Icon />
      </Button>
    </Tooltip>
  );
}

/** On a phone the menu covers the page: Escape closes it, the focus goes in and comes back. */
function useMenuFocus(open: boolean, onClose: () => void) {
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    const before = document.activeElement;
    let frame = 0;
    const enter = () => {
      close.current?.focus();
      if (document.activeElement !== close.current) frame = requestAnimationFrame(enter); // it only becomes visible now
    };
    enter();
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape") onClose();
    };
    window.addEventListener("keydown", onKey);
    return () => {
      cancelAnimationFrame(frame);
      window.removeEventListener("keydown", onKey);
      if (before instanceof HTMLElement) before.focus();
    };
  }, [open, onClose]);
  return close;
}

function Sidebar({ open, onClose }: { open: boolean; onClose: () => void }) {
  const { user } = useSession();
  const close = useMenuFocus(open, onClose);
  const sections = ["Fleet", "Appliance"] as const;
  return (
    <>
      {open && <div className="fixed inset-0 z-30 bg-black/40 lg:hidden" onClick={onClose} aria-hidden />}
      <aside
        className={cn(
          "fixed inset-y-0 left-0 z-40 flex w-60 flex-col border-r border-line bg-surface px-3 py-3 transition-transform",
          "lg:sticky lg:top-0 lg:h-dvh lg:translate-x-0",
          open ? "translate-x-0" : "-translate-x-full max-lg:invisible",
        )}
      >
        <div className="flex items-center justify-between">
          <Brand />
          <Button ref={close} variant="ghost" size="icon-sm" className="lg:hidden" aria-label="Close the menu" onClick={onClose}>
            <X />
          </Button>
        </div>
        <nav aria-label="Pages" className="mt-4 grid gap-5 overflow-y-auto">
          {sections.map((section) => (
            <div key={section} className="grid gap-0.5">
              <p className="px-2.5 pb-1 text-xs font-semibold tracking-wide text-ink-3 uppercase">{section}</p>
              {PAGES.filter((page) => page.section === section).map((page) => (
                <Entry key={page.path} page={page} onFollow={onClose} />
              ))}
            </div>
          ))}
        </nav>
        <div className="mt-auto flex items-center gap-2 border-t border-line pt-3">
          <span
            aria-hidden
            className="grid size-8 shrink-0 place-items-center rounded-full bg-accent-soft text-xs font-semibold text-accent uppercase"
          >
            {user?.username.slice(0, 2)}
          </span>
          <div className="min-w-0 grow">
            <p className="truncate text-sm font-medium">{user?.username}</p>
            <p className="text-xs text-ink-3 capitalize">{user?.role satisfies Role | undefined}</p>
          </div>
          <Tooltip text="Sign out">
            <Button variant="ghost" size="icon-sm" aria-label="Sign out" onClick={() => void signOut().catch(toast.failed)}>
              <LogOut />
            </Button>
          </Tooltip>
        </div>
      </aside>
    </>
  );
}

function PageLoading() {
  return (
    <div className="grid gap-4" aria-busy="true">
      <Skeleton className="h-7 w-48" />
      <Skeleton className="h-32" />
      <Skeleton className="h-64" />
    </div>
  );
}

export function Shell() {
  const [opened, setOpen] = useState(false);
  const beside = useMedia("(min-width: 64rem)"); // Tailwind's lg
  const open = opened && !beside;
  const close = useCallback(() => setOpen(false), []);
  const { pathname } = useLocation();
  const page = PAGES.find((one) => (one.path === "/" ? pathname === "/" : pathname.startsWith(one.path)));

  useEffect(() => {
    document.title = page ? `${page.label} · Muster` : "Muster";
  }, [page]);

  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[15rem_minmax(0,1fr)]">
      <a
        href="#main"
        className={cn(
          "sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50",
          "focus:rounded-control focus:bg-raised focus:px-3 focus:py-2",
        )}
      >
        Skip to the content
      </a>
      <Sidebar open={open} onClose={close} />
      <div className="flex min-w-0 flex-col" inert={open}>
        <header className="sticky top-0 z-20 border-b border-line bg-canvas/85 backdrop-blur">
          <div className="mx-auto flex h-14 max-w-[96rem] items-center gap-2 px-4 sm:gap-3 lg:px-6">
            <Button variant="ghost" size="icon-sm" className="-ml-2 lg:hidden" aria-label="Open the menu" onClick={() => setOpen(true)}>
              <MenuIcon />
            </Button>
            <button
              type="button"
              onClick={openPalette}
              className={cn(
                "flex h-9 min-w-0 grow items-center gap-2 rounded-control border border-line bg-surface px-3 pointer-coarse:h-10",
                "text-left text-sm text-ink-3 hover:border-line-strong sm:max-w-md",
              )}
            >
              <Search className="size-4" aria-hidden />
              <span className="grow truncate">
                Search<span className="max-sm:sr-only"> devices, pages, actions</span>
              </span>
              <span className="max-sm:hidden pointer-coarse:hidden">
                <Kbd>Ctrl K</Kbd>
              </span>
            </button>
            <div className="ml-auto flex shrink-0 items-center gap-2 sm:gap-3">
              <Connection />
              <ThemeButton />
            </div>
          </div>
        </header>
        <PasswordAdvice />
        <main id="main" tabIndex={-1} className="mx-auto w-full max-w-[96rem] grow px-4 py-5 outline-none lg:px-6">
          <Suspense fallback={<PageLoading />}>
            <Outlet />
          </Suspense>
        </main>
      </div>
      <Palette />
    </div>
  );
}
