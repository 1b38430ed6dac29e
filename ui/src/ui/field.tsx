// SPDX-License-Identifier: Apache-2.0
import { useId, type ComponentProps, type ReactNode } from "react";
import { cn } from "@/lib/cn";

/** 16 px under a finger: for less, a phone zooms the page when one begins to type. */
const control = [
  "w-full min-w-0 rounded-control border border-field bg-surface px-3 text-sm text-ink pointer-coarse:text-base",
  "placeholder:text-ink-3 disabled:opacity-60 aria-invalid:border-bad",
].join(" ");
const LINE = "h-9 pointer-coarse:h-10";

export function Input({ className, ...rest }: ComponentProps<"input">) {
  return <input className={cn(control, LINE, className)} {...rest} />;
}

export function Textarea({ className, ...rest }: ComponentProps<"textarea">) {
  return <textarea className={cn(control, "min-h-20 py-2", className)} {...rest} />;
}

/** The browser's own select, the best one on a phone; its arrow is as our own menus have it. */
export function NativeSelect({ className, ...rest }: ComponentProps<"select">) {
  return <select className={cn(control, LINE, "chevron truncate pr-8", className)} {...rest} />;
}

export interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  error?: string | null;
  children: (field: { id: string; "aria-describedby"?: string; "aria-invalid"?: true }) => ReactNode;
}

/** A label, its control, what it means and what is wrong with it, tied together. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const note = error ?? hint;
  return (
    <div className="grid min-w-0 content-start gap-1.5">
      <label htmlFor={id} className="text-xs font-medium text-ink-2">
        {label}
      </label>
      {children({ id, "aria-describedby": note ? `${id}-note` : undefined, "aria-invalid": error ? true : undefined })}
      {note && (
        <p id={`${id}-note`} className={cn("text-xs", error ? "text-bad" : "text-ink-3")} role={error ? "alert" : undefined}>
          {note}
        </p>
      )}
    </div>
  );
}
