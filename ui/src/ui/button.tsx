// SPDX-License-Identifier: Apache-2.0
import { cva, type VariantProps } from "class-variance-authority";
import { Slot } from "radix-ui";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";
import { Spinner } from "./spinner";

const button = cva(
  "inline-flex items-center justify-center gap-2 rounded-control font-medium whitespace-nowrap transition-colors disabled:opacity-50 disabled:pointer-events-none [&_svg]:size-4 [&_svg]:shrink-0",
  {
    variants: {
      variant: {
        primary: "bg-accent text-on-accent hover:bg-accent-strong",
        secondary: "bg-surface border border-line-strong text-ink hover:bg-surface-2",
        ghost: "text-ink-2 hover:bg-surface-2 hover:text-ink",
        danger: "bg-bad text-white hover:opacity-90 dark:text-black",
      },
      // Under a finger none is smaller than 40 px.
      size: {
        sm: "h-8 px-2.5 text-xs pointer-coarse:h-10 pointer-coarse:px-3",
        md: "h-9 px-3.5 text-sm pointer-coarse:h-10",
        lg: "h-11 px-5 text-base",
        icon: "size-9 shrink-0 pointer-coarse:size-10",
        "icon-sm": "size-8 shrink-0 pointer-coarse:size-10",
      },
    },
    defaultVariants: { variant: "secondary", size: "md" },
  },
);

export interface ButtonProps extends ComponentProps<"button">, VariantProps<typeof button> {
  /** Renders the child (a link) instead of a button. */
  asChild?: boolean;
  /** At work: a spinner, and no second click. */
  busy?: boolean;
}

export function Button({ className, variant, size, asChild, busy, disabled, children, ...rest }: ButtonProps) {
  const classes = cn(button({ variant, size }), className);
  if (asChild)
    return (
      <Slot.Root className={classes} {...rest}>
        {children}
      </Slot.Root>
    );
  return (
    <button type="button" className={classes} disabled={disabled || busy} aria-busy={busy || undefined} {...rest}>
      {busy && <Spinner />}
      {children}
    </button>
  );
}
