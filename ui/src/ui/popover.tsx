// SPDX-License-Identifier: Apache-2.0
import { Popover as Radix } from "radix-ui";
import { useState, type ReactNode } from "react";
import { cn } from "@/lib/cn";

export interface PopoverProps {
  trigger: ReactNode;
  /** What it is, for those who can't see it. */
  label: string;
  /** A function gets what closes it. */
  children: ReactNode | ((close: () => void) => ReactNode);
  open?: boolean;
  onOpenChange?: (open: boolean) => void;
  align?: "start" | "center" | "end";
  className?: string;
}

/** A small form or an explanation beside what it belongs to. */
export function Popover({ trigger, label, children, open, onOpenChange, align = "start", className }: PopoverProps) {
  const [own, setOwn] = useState(false);
  const change = onOpenChange ?? setOwn;
  return (
    <Radix.Root open={open ?? own} onOpenChange={change}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          aria-label={label}
          align={align}
          sideOffset={6}
          collisionPadding={8}
          className={cn(
            "z-50 max-h-(--radix-popover-content-available-height) w-72 max-w-[calc(100vw-1rem)] overflow-y-auto rounded-card border border-line bg-raised p-4 text-sm shadow-float",
            className,
          )}
        >
          {typeof children === "function" ? children(() => change(false)) : children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
