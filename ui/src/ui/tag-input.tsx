// SPDX-License-Identifier: Apache-2.0
import { X } from "lucide-react";
import { useId, useState, type KeyboardEvent } from "react";
import { cn } from "@/lib/cn";

export interface TagInputProps {
  id?: string;
  "aria-describedby"?: string;
  "aria-invalid"?: true;
  values: readonly string[];
  onChange: (values: string[]) => void;
  /** What there is already, offered while one types. */
  suggestions?: readonly string[];
  placeholder?: string;
  onFocus?: () => void;
  className?: string;
}

/** Several short words: Enter or a comma ends one, Backspace in the empty field takes the last away. */
export function TagInput({ values, onChange, suggestions = [], placeholder, className, onFocus, ...field }: TagInputProps) {
  const [typed, setTyped] = useState("");
  const list = useId();
  const add = (text: string) => {
    const fresh = text
      .split(",")
      .map((one) => one.trim())
      .filter((one) => one !== "" && !values.includes(one));
    if (fresh.length > 0) onChange([...values, ...new Set(fresh)]);
    setTyped("");
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && typed.trim() !== "") {
      event.preventDefault();
      add(typed);
    } else if (event.key === "Backspace" && typed === "" && values.length > 0) onChange(values.slice(0, -1));
  };
  const change = (text: string, event: Event) => {
    // One that is picked from the list is whole; one that is typed may go on ("ti" is there, "till" is meant).
    const how = event instanceof InputEvent ? event.inputType : "";
    const picked = (how === "" || how === "insertReplacementText") && suggestions.includes(text);
    if (text.includes(",") || picked) add(text);
    else setTyped(text);
  };
  return (
    <div
      className={cn(
        "flex min-h-9 flex-wrap items-center pointer-coarse:min-h-10 gap-1.5 rounded-control border border-field bg-surface px-1.5 py-1 focus-within:outline-2 focus-within:outline-offset-2 focus-within:outline-accent",
        className,
      )}
    >
      {values.map((value) => (
        <span key={value} className="inline-flex h-6 items-center gap-1 rounded bg-accent-soft pr-1 pl-2 text-xs font-medium text-accent">
          {value}
          <button
            type="button"
            aria-label={`Remove ${value}`}
            className="touch-target grid size-4 place-items-center rounded hover:bg-accent/20"
            onClick={() => onChange(values.filter((one) => one !== value))}
          >
            <X className="size-3" aria-hidden />
          </button>
        </span>
      ))}
      <input
        {...field}
        list={suggestions.length > 0 ? list : undefined}
        value={typed}
        placeholder={values.length === 0 ? placeholder : undefined}
        autoComplete="off"
        spellCheck={false}
        className="h-6 min-w-24 grow bg-transparent px-1.5 text-sm outline-none pointer-coarse:text-base placeholder:text-ink-3"
        onChange={(event) => change(event.target.value, event.nativeEvent)}
        onKeyDown={onKeyDown}
        onBlur={() => add(typed)}
        onFocus={onFocus}
      />
      {suggestions.length > 0 && (
        <datalist id={list}>
          {suggestions
            .filter((one) => !values.includes(one))
            .map((one) => (
              <option key={one} value={one} />
            ))}
        </datalist>
      )}
    </div>
  );
}
