// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from "react";
import { useMay } from "@/session/session";
import { Menu, MenuItem, MenuLabel, MenuLine } from "@/ui/menu";
import { COMMAND_KINDS, type CommandKind } from "./command-types";

/** What who is signed in may send; what destroys stands apart. */
export function CommandMenu({ trigger, onChoose, label }: { trigger: ReactNode; onChoose: (kind: CommandKind) => void; label: string }) {
  const operator = useMay("operator");
  const admin = useMay("admin");
  const allowed = COMMAND_KINDS.filter((kind) => (kind.role === "admin" ? admin : operator));
  const item = (kind: CommandKind) => (
    <MenuItem key={kind.type} icon={kind.icon} danger={kind.danger} onSelect={() => onChoose(kind)}>
      {kind.label}
      {!kind.direct && "…"}
    </MenuItem>
  );
  if (allowed.length === 0) return null;
  const dangerous = allowed.filter((kind) => kind.danger);
  return (
    <Menu trigger={trigger} className="min-w-56">
      <MenuLabel>{label}</MenuLabel>
      {allowed.filter((kind) => !kind.danger).map(item)}
      {dangerous.length > 0 && <MenuLine />}
      {dangerous.map(item)}
    </Menu>
  );
}
