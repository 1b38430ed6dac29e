// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from "react";
import { COMMAND_TYPES, whyNot, type CommandType, type Knowing } from "@/lib/command-types";
import { useMay } from "@/session/session";
import { Menu, MenuItem, MenuLabel, MenuLine } from "@/ui/menu";

export interface CommandMenuProps {
  trigger: ReactNode;
  onChoose: (type: CommandType) => void;
  label: string;
  /** Of one device is known which commands it has. */
  device?: Knowing;
}

/** What who is signed in may send; what destroys stands apart. */
export function CommandMenu({ trigger, onChoose, label, device }: CommandMenuProps) {
  const operator = useMay("operator");
  const admin = useMay("admin");
  const allowed = COMMAND_TYPES.filter((type) => (type.role === "admin" ? admin : operator));
  const item = (type: CommandType) => {
    const not = device ? whyNot(type, device) : null;
    return (
      <MenuItem key={type.type} icon={type.icon} danger={type.danger} disabled={not !== null} note={not} onSelect={() => onChoose(type)}>
        {type.title}
        {!type.direct && "…"}
      </MenuItem>
    );
  };
  if (allowed.length === 0) return null;
  const dangerous = allowed.filter((type) => type.danger);
  return (
    <Menu trigger={trigger} className="min-w-56">
      <MenuLabel>{label}</MenuLabel>
      {allowed.filter((type) => !type.danger).map(item)}
      {dangerous.length > 0 && <MenuLine />}
      {dangerous.map(item)}
    </Menu>
  );
}
