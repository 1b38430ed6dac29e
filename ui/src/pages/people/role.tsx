// SPDX-License-Identifier: Apache-2.0
import { Badge, type Tone } from "@/ui/badge";
import type { Role } from "@/session/session";

export const ROLES: readonly { value: Role; label: string; may: string }[] = [
  { value: "viewer", label: "Viewer", may: "Sees the fleet and its alerts." },
  { value: "operator", label: "Operator", may: "Also sends commands, changes devices and lets new ones in, answers alerts." },
  { value: "admin", label: "Admin", may: "Everything: wipes, users, rules, the audit log." },
];

export const mayOf = (role: Role) => ROLES.find((one) => one.value === role)?.may;

const TONE: Record<Role, Tone> = { viewer: "neutral", operator: "info", admin: "accent" };

export const RoleBadge = ({ role }: { role: Role }) => <Badge tone={TONE[role]}>{role}</Badge>;
