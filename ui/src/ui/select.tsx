// SPDX-License-Identifier: Apache-2.0
import type { LucideIcon } from "lucide-react";
import { RadioGroup } from "radix-ui";
import type { ReactNode } from "react";
import { cn } from "@/lib/cn";
import { useScrolledLine } from "@/lib/use-scrolled-line";

export interface SegmentsProps<Value extends string> {
  label: string;
  value: Value;
  onChange: (value: Value) => void;
  options: readonly { value: Value; label: ReactNode; icon?: LucideIcon }[];
  size?: "sm" | "md";
  className?: string;
}

/** One of a few, all in view; for more than five, or long names, NativeSelect (field.tsx). */
export function Segments<Value extends string>({ label, value, onChange, options, size = "md", className }: SegmentsProps<Value>) {
  const line = useScrolledLine(value, options.map((option) => option.value).join());
  return (
    <RadioGroup.Root
      ref={line}
      aria-label={label}
      value={value}
      onValueChange={(next) => onChange(next as Value)}
      orientation="horizontal"
      className={cn(
        "fade-x relative inline-flex max-w-full gap-0.5 overflow-x-auto rounded-control border border-line bg-surface-2 p-0.5 [scrollbar-width:none]",
        className,
      )}
    >
      {options.map(({ value: one, label: name, icon: Icon }) => (
        <RadioGroup.Item
          key={one}
          value={one}
          className={cn(
            "inline-flex shrink-0 grow items-center justify-center gap-1.5 rounded-[0.375rem] font-medium whitespace-nowrap text-ink-2 -outline-offset-2 hover:text-ink",
            "data-[state=checked]:bg-raised data-[state=checked]:text-ink data-[state=checked]:shadow-card [&_svg]:size-3.5",
            "dark:data-[state=checked]:bg-line-strong",
            "pointer-coarse:h-10",
            size === "sm" ? "h-7 px-2.5 text-xs" : "h-8 px-3 text-sm max-sm:px-2.5",
          )}
        >
          {Icon && <Icon aria-hidden />}
          {name}
        </RadioGroup.Item>
      ))}
    </RadioGroup.Root>
  );
}
