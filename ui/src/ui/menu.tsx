// SPDX-License-Identifier: Apache-2.0
import { Check, type LucideIcon } from "lucide-react";
import { DropdownMenu as Radix } from "radix-ui";
import type { ComponentProps, ReactNode } from "react";
import { cn } from "@/lib/cn";

export interface MenuProps {
  /** The button that opens it. */
  trigger: ReactNode;
  children: ReactNode;
  align?: "start" | "center" | "end";
  className?: string;
}

/** Things to do with what is beside it:  <Menu trigger={<Button>…</Button>}><MenuItem icon={Pen} onSelect={edit}>Edit</MenuItem></Menu> */
export function Menu({ trigger, children, align = "end", className }: MenuProps) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          sideOffset={6}
          collisionPadding={8}
          className={cn(
            "z-50 max-h-[min(24rem,var(--radix-dropdown-menu-content-available-height))] min-w-44 overflow-y-auto rounded-card border border-line bg-raised p-1 shadow-float",
            className,
          )}
        >
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

const ITEM =
  "flex min-h-9 cursor-default pointer-coarse:min-h-11 items-center gap-2.5 rounded-control px-2.5 py-1.5 text-sm outline-none select-none data-[disabled]:opacity-50 data-[highlighted]:bg-surface-2 [&_svg]:size-4 [&_svg]:shrink-0";

export interface MenuItemProps extends Omit<ComponentProps<typeof Radix.Item>, "className"> {
  icon?: LucideIcon;
  /** What is lost or stopped by it. */
  danger?: boolean;
  /** At the right: a key, a number. */
  note?: ReactNode;
}

export function MenuItem({ icon: Icon, danger, note, children, ...rest }: MenuItemProps) {
  return (
    <Radix.Item className={cn(ITEM, danger ? "text-bad data-[highlighted]:bg-bad-soft" : "text-ink [&_svg]:text-ink-3")} {...rest}>
      {Icon && <Icon aria-hidden />}
      <span className="grow">{children}</span>
      {note && <span className="text-xs text-ink-3">{note}</span>}
    </Radix.Item>
  );
}

export interface MenuCheckProps {
  checked: boolean;
  onChange: (checked: boolean) => void;
  children: ReactNode;
  disabled?: boolean;
}

/** Stays open, for choosing several. */
export function MenuCheck({ checked, onChange, children, disabled }: MenuCheckProps) {
  return (
    <Radix.CheckboxItem
      className={ITEM}
      checked={checked}
      disabled={disabled}
      onCheckedChange={onChange}
      onSelect={(event) => event.preventDefault()}
    >
      <span className="grid size-4 place-items-center text-accent">
        <Radix.ItemIndicator>
          <Check aria-hidden />
        </Radix.ItemIndicator>
      </span>
      {children}
    </Radix.CheckboxItem>
  );
}

export interface MenuChoiceProps<Value extends string> {
  value: Value;
  onChange: (value: Value) => void;
  options: { value: Value; label: ReactNode }[];
}

/** One of several. */
export function MenuChoice<Value extends string>({ value, onChange, options }: MenuChoiceProps<Value>) {
  return (
    <Radix.RadioGroup value={value} onValueChange={(next) => onChange(next as Value)}>
      {options.map((option) => (
        <Radix.RadioItem key={option.value} value={option.value} className={ITEM}>
          <span className="grid size-4 place-items-center text-accent">
            <Radix.ItemIndicator>
              <Check aria-hidden />
            </Radix.ItemIndicator>
          </span>
          {option.label}
        </Radix.RadioItem>
      ))}
    </Radix.RadioGroup>
  );
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return (
    <Radix.Label className="px-2.5 pt-1.5 pb-1 text-xs font-semibold tracking-wide text-ink-3 uppercase">{children}</Radix.Label>
  );
}

export const MenuLine = () => <Radix.Separator className="my-1 h-px bg-line" />;
