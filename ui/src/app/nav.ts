// SPDX-License-Identifier: Apache-2.0
/** Every page of the console, in the order of the sidebar. What comes next gets a line here. */
import {
  Bell,
  Gauge,
  KeyRound,
  LayoutDashboard,
  QrCode,
  ScrollText,
  Settings,
  SquareTerminal,
  TabletSmartphone,
  type LucideIcon,
} from "lucide-react";
import { lazy, type ComponentType } from "react";
import type { Role } from "@/session/session";

/** A part of a page that the command palette finds too. */
export interface Place {
  label: string;
  path: string;
  words?: string;
  /** When it takes more than its page does. */
  role?: Role;
}

export interface Page {
  path: string;
  label: string;
  icon: LucideIcon;
  /** Words that find it in the command palette. */
  words?: string;
  role: Role;
  section: "Fleet" | "Appliance";
  component: ComponentType;
  places?: Place[];
}

export const PAGES: Page[] = [
  {
    path: "/",
    label: "Overview",
    icon: LayoutDashboard,
    words: "home fleet",
    role: "viewer",
    section: "Fleet",
    component: lazy(() => import("@/pages/overview")),
  },
  {
    path: "/devices",
    label: "Devices",
    icon: TabletSmartphone,
    role: "viewer",
    section: "Fleet",
    component: lazy(() => import("@/pages/devices")),
  },
  {
    path: "/commands",
    label: "Commands",
    icon: SquareTerminal,
    words: "ledger",
    role: "viewer",
    section: "Fleet",
    component: lazy(() => import("@/pages/commands")),
    places: [{ label: "Bulk commands", path: "/commands/bulk", words: "progress many" }],
  },
  {
    path: "/alerts",
    label: "Alerts",
    icon: Bell,
    words: "incidents",
    role: "viewer",
    section: "Fleet",
    component: lazy(() => import("@/pages/alerts")),
    places: [
      { label: "Alert history", path: "/alerts/history" },
      { label: "Alert rules", path: "/alerts/rules", words: "thresholds offline battery" },
      { label: "Alert channels", path: "/alerts/channels", words: "discord webhook mail" },
      { label: "Silences", path: "/alerts/silences", words: "mute maintenance" },
    ],
  },
  {
    path: "/enrol",
    label: "Enrol",
    icon: QrCode,
    words: "tokens agent add new device",
    role: "operator",
    section: "Fleet",
    component: lazy(() => import("@/pages/enrol")),
  },
  {
    path: "/appliance",
    label: "Appliance",
    icon: Gauge,
    words: "pipeline journal health",
    role: "viewer",
    section: "Appliance",
    component: lazy(() => import("@/pages/appliance")),
    places: [
      { label: "Database", path: "/appliance/database", words: "postgres statements" },
      { label: "Partitions", path: "/appliance/partitions", words: "days tables retention", role: "operator" },
      { label: "Jobs", path: "/appliance/jobs", role: "operator" },
      { label: "Archives", path: "/appliance/archives", role: "operator" },
      { label: "Backups", path: "/appliance/backups", role: "operator" },
      { label: "Doctor", path: "/appliance/doctor", words: "checklist", role: "admin" },
    ],
  },
  {
    path: "/audit",
    label: "Audit",
    icon: ScrollText,
    words: "log chain verify",
    role: "admin",
    section: "Appliance",
    component: lazy(() => import("@/pages/audit")),
    places: [
      { label: "Security events", path: "/audit?tab=events", words: "attacks failed logins lockout" },
      { label: "Rate limits", path: "/audit?tab=offenders", words: "offenders" },
    ],
  },
  {
    path: "/people",
    label: "Users & tokens",
    icon: KeyRound,
    words: "accounts people",
    role: "admin",
    section: "Appliance",
    component: lazy(() => import("@/pages/people")),
    places: [
      { label: "API tokens", path: "/people?tab=tokens", words: "programs scopes" },
      { label: "New user", path: "/people?new=user", words: "make create add account person" },
      { label: "New API token", path: "/people?tab=tokens&new=token", words: "make create add" },
    ],
  },
  {
    path: "/settings",
    label: "Settings",
    icon: Settings,
    words: "profile about",
    role: "viewer",
    section: "Appliance",
    component: lazy(() => import("@/pages/settings")),
    places: [
      { label: "Change the password", path: "/settings#password" },
      { label: "Sessions", path: "/settings#sessions", words: "signed in devices" },
      { label: "Alerts by mail", path: "/settings#alerts", words: "subscription e-mail" },
    ],
  },
];
