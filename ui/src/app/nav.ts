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

export interface Page {
  path: string;
  label: string;
  icon: LucideIcon;
  /** Words that find it in the command palette. */
  words?: string;
  role: Role;
  section: "Fleet" | "Appliance";
  component: ComponentType;
}

export const PAGES: Page[] = [
  { path: "/", label: "Overview", icon: LayoutDashboard, role: "viewer", section: "Fleet", component: lazy(() => import("@/pages/overview")) },
  { path: "/devices", label: "Devices", icon: TabletSmartphone, role: "viewer", section: "Fleet", component: lazy(() => import("@/pages/devices")) },
  { path: "/commands", label: "Commands", icon: SquareTerminal, role: "viewer", section: "Fleet", component: lazy(() => import("@/pages/commands")) },
  { path: "/alerts", label: "Alerts", icon: Bell, words: "incidents rules channels silences", role: "viewer", section: "Fleet", component: lazy(() => import("@/pages/alerts")) },
  { path: "/enrol", label: "Enrol", icon: QrCode, words: "tokens agent add device", role: "admin", section: "Fleet", component: lazy(() => import("@/pages/enrol")) },
  { path: "/appliance", label: "Appliance", icon: Gauge, words: "pipeline journal jobs backups archives database doctor", role: "viewer", section: "Appliance", component: lazy(() => import("@/pages/appliance")) },
  { path: "/audit", label: "Audit", icon: ScrollText, words: "log security events", role: "admin", section: "Appliance", component: lazy(() => import("@/pages/audit")) },
  { path: "/people", label: "Users & tokens", icon: KeyRound, words: "accounts API", role: "admin", section: "Appliance", component: lazy(() => import("@/pages/people")) },
  { path: "/settings", label: "Settings", icon: Settings, words: "theme password sessions profile", role: "viewer", section: "Appliance", component: lazy(() => import("@/pages/settings")) },
];
