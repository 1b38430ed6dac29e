// SPDX-License-Identifier: Apache-2.0
import { Check, Minus } from "lucide-react";
import { useId, type ComponentProps, type ReactNode } from "react";
import { cn } from "@/lib/cn";

export interface CheckboxProps extends Omit<ComponentProps<"input">, "type" | "checked" | "onChange"> {
  checked: boolean | "indeterminate";
  onCheckedChange?: (checked: boolean) => void;
}

/** The browser's own, drawn over: a table has one in each of its rows, so it has to be light. */
export function Checkbox({ className, checked, onCheckedChange, ...rest }: CheckboxProps) {
  const some = checked === "indeterminate";
  const Mark = some ? Minus : Check;
  return (
    <span className={cn("relative -m-0.75 grid size-6 shrink-0 place-items-center", className)}>
      <input
        type="checkbox"
        ref={(input) => {
          if (input) input.indeterminate = some;
        }}
        checked={checked === true}
        onChange={(event) => onCheckedChange?.(event.target.checked)}
        className="peer absolute -inset-1 cursor-pointer pointer-coarse:-inset-2 appearance-none rounded -outline-offset-3 disabled:cursor-default"
        {...rest}
      />
      <span
        aria-hidden
        className={cn(
          "pointer-events-none grid size-4.5 place-items-center rounded-[0.3125rem] border peer-disabled:opacity-50",
          checked ? "border-accent bg-accent text-on-accent" : "border-field bg-surface",
        )}
      >
        {checked && <Mark className="size-3.5" strokeWidth={3} />}
      </span>
    </span>
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
        onCheckedChange={onChange}
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
