// SPDX-License-Identifier: Apache-2.0
import { Tabs as Radix } from "radix-ui";
import { useRef, type ReactNode } from "react";
import { cn } from "@/lib/cn";
import { useScrolledLine } from "@/lib/use-scrolled-line";

export interface Tab {
  value: string;
  label: ReactNode;
  /** How many are behind it. */
  count?: number;
}

export interface TabsProps {
  tabs: Tab[];
  value: string;
  onChange: (value: string) => void;
  /** What the tabs choose between, for those who can't see it. */
  label: string;
  /** The content of the chosen tab; `TabPanel`s when each is of its own. */
  children?: ReactNode;
  /** Beside the tabs, at the right. */
  actions?: ReactNode;
  className?: string;
}

/**
 * A click both presses a tab and focuses it, and each of them chooses. Where the choice is an address, it is not there
 * yet by then: told once, or Back would have to be pressed twice.
 */
function useOnce(value: string, onChange: (value: string) => void): (next: string) => void {
  const chosen = useRef<string | null>(null);
  return (next) => {
    if (next === value || next === chosen.current) return;
    chosen.current = next;
    setTimeout(() => (chosen.current = null), 0);
    onChange(next);
  };
}

/** Pages of one thing: a line of names, the chosen one underlined. On a phone the line scrolls. */
export function Tabs({ tabs, value, onChange, label, children, actions, className }: TabsProps) {
  const names = tabs.map(({ value: name, count }) => `${name} ${count ?? ""}`).join(); // a count that comes moves the others
  const line = useScrolledLine(value, names);
  const choose = useOnce(value, onChange);
  return (
    <Radix.Root value={value} onValueChange={choose} className={className}>
      <div className="flex items-end justify-between gap-3 border-b border-line">
        <Radix.List
          ref={line}
          aria-label={label}
          className="fade-x relative -mb-px flex gap-1 overflow-x-auto overflow-y-hidden [scrollbar-width:none]"
        >
          {tabs.map((tab) => (
            <Radix.Trigger
              key={tab.value}
              value={tab.value}
              className={cn(
                "flex h-10 items-center gap-2 border-b-2 border-transparent px-3 text-sm font-medium whitespace-nowrap text-ink-2 hover:text-ink",
                "-outline-offset-2 data-[state=active]:border-accent data-[state=active]:text-ink",
              )}
            >
              {tab.label}
              {tab.count !== undefined && (
                <span className="rounded-full bg-surface-2 px-1.5 py-px text-xs tabular text-ink-2">{tab.count.toLocaleString()}</span>
              )}
            </Radix.Trigger>
          ))}
        </Radix.List>
        {actions && <div className="flex shrink-0 items-center gap-2 pb-1.5">{actions}</div>}
      </div>
      {children}
    </Radix.Root>
  );
}

export function TabPanel({ value, children, className }: { value: string; children: ReactNode; className?: string }) {
  return (
    <Radix.Content value={value} className={cn("pt-4 outline-none", className)} tabIndex={-1}>
      {children}
    </Radix.Content>
  );
}
