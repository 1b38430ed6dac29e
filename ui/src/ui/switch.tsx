// SPDX-License-Identifier: Apache-2.0
import { Switch as Radix } from "radix-ui";
import { useId, type ReactNode } from "react";
import { cn } from "@/lib/cn";

export interface SwitchProps {
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabled?: boolean;
  id?: string;
  "aria-label"?: string;
  "aria-describedby"?: string;
  className?: string;
}

/** On or off, at once. What is sent with a form is a Checkbox. */
export function Switch({ onChange, className, ...rest }: SwitchProps) {
  return (
    <Radix.Root
      onCheckedChange={onChange}
      className={cn(
        "relative inline-flex h-5 w-9 shrink-0 items-center rounded-full bg-field transition-colors data-[state=checked]:bg-accent disabled:opacity-50",
        "after:absolute after:-inset-2 after:content-[''] pointer-coarse:after:-inset-2.5",
        className,
      )}
      {...rest}
    >
      <Radix.Thumb className="block size-4 translate-x-0.5 rounded-full bg-surface shadow-card transition-transform data-[state=checked]:translate-x-[1.125rem]" />
    </Radix.Root>
  );
}

export function SwitchField({ label, hint, ...rest }: { label: ReactNode; hint?: ReactNode } & Omit<SwitchProps, "id" | "aria-label">) {
  const id = useId();
  return (
    <div className="flex items-start justify-between gap-4">
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
      <Switch id={id} aria-describedby={hint ? `${id}-hint` : undefined} {...rest} />
    </div>
  );
}
