// SPDX-License-Identifier: Apache-2.0
import { Check, Minus } from "lucide-react";
import { Checkbox as Radix } from "radix-ui";
import { useId, type ComponentProps, type ReactNode } from "react";
import { cn } from "@/lib/cn";

export function Checkbox({ className, checked, ...rest }: ComponentProps<typeof Radix.Root>) {
  return (
    <Radix.Root
      checked={checked}
      className={cn(
        "group/box relative -m-0.75 grid size-6 shrink-0 place-items-center rounded disabled:opacity-50 -outline-offset-2",
        "after:absolute after:-inset-1.5 after:content-['']", // a target for a finger
        className,
      )}
      {...rest}
    >
      <span
        className={cn(
          "grid size-4.5 place-items-center rounded-[0.3125rem] border border-field bg-surface text-on-accent",
          "group-data-[state=checked]/box:border-accent group-data-[state=checked]/box:bg-accent",
          "group-data-[state=indeterminate]/box:border-accent group-data-[state=indeterminate]/box:bg-accent",
        )}
      >
        <Radix.Indicator>{checked === "indeterminate" ? <Minus className="size-3.5" /> : <Check className="size-3.5" strokeWidth={3} />}</Radix.Indicator>
      </span>
    </Radix.Root>
  );
}

export interface CheckFieldProps {
  label: ReactNode;
  hint?: ReactNode;
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabled?: boolean;
}

/** A box with its words, which are part of the target. */
export function CheckField({ label, hint, checked, onChange, disabled }: CheckFieldProps) {
  const id = useId();
  return (
    <div className="flex items-start gap-2.5">
      <Checkbox
        id={id}
        className="-mt-0.5"
        checked={checked}
        disabled={disabled}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onCheckedChange={(next) => onChange(next === true)}
      />
      <div className="min-w-0">
        <label htmlFor={id} className="text-sm text-ink">
          {label}
        </label>
        {hint && (
          <p id={`${id}-hint`} className="mt-0.5 text-xs text-ink-3">
            {hint}
          </p>
        )}
      </div>
    </div>
  );
}
