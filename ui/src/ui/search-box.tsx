// SPDX-License-Identifier: Apache-2.0
/** A list's search: asks when the typing pauses; Enter at once, Escape nothing. `/` leads here. */
import { Search, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { cn } from "@/lib/cn";
import { Input } from "./field";

const TYPING_MS = 300;

export interface SearchBoxProps {
  label: string;
  placeholder: string;
  /** What is looked for, as the address has it. */
  value: string;
  onChange: (value: string) => void;
  className?: string;
}

export function SearchBox({ label, placeholder, value, onChange, className }: SearchBoxProps) {
  const [typed, setTyped] = useState(value);
  const latest = useRef(onChange);
  latest.current = onChange;
  const sent = useRef(value);

  useEffect(() => {
    if (value === sent.current) return; // our own change comes back
    sent.current = value;
    setTyped(value);
  }, [value]);
  const send = (text: string) => {
    const q = text.trim();
    if (q === sent.current) return;
    sent.current = q;
    latest.current(q);
  };
  useEffect(() => {
    const timer = setTimeout(() => send(typed), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed]);

  return (
    <div className={cn("relative min-w-0", className)}>
      <Search className="pointer-events-none absolute inset-y-0 left-3 my-auto size-4 text-ink-3" aria-hidden />
      <Input
        data-page-search
        type="search"
        aria-label={label}
        placeholder={placeholder}
        className="pl-9 [&::-webkit-search-cancel-button]:hidden"
        maxLength={200}
        spellCheck={false}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") send(typed);
          if (event.key !== "Escape") return;
          if (typed) setTyped("");
          else event.currentTarget.blur();
        }}
      />
      {typed ? (
        <button
          type="button"
          aria-label="Clear the search"
          className="absolute inset-y-0 right-0.5 my-auto grid size-8 place-items-center rounded-control text-ink-3 hover:text-ink pointer-coarse:size-10"
          onClick={() => setTyped("")}
        >
          <X className="size-4" />
        </button>
      ) : (
        <kbd
          aria-hidden
          className={cn(
            "pointer-events-none absolute inset-y-0 right-2.5 my-auto h-5 rounded border border-line bg-surface-2 px-1.5 leading-4.5",
            "font-sans text-xs text-ink-3 max-sm:hidden pointer-coarse:hidden",
          )}
        >
          /
        </kbd>
      )}
    </div>
  );
}
