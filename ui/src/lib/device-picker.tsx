// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { Check, X } from "lucide-react";
import { useEffect, useId, useState, type KeyboardEvent } from "react";
import { api } from "@/api/client";
import { cn } from "@/lib/cn";
import { Button } from "@/ui/button";
import { Input } from "@/ui/field";
import { StatusBadge } from "@/ui/badge";

export interface PickedDevice {
  id: string;
  alias: string;
}

const TYPING_MS = 300;
const SHOWN_MAX = 8;

/** The text as it was when somebody last paused. */
export function useSettled<Value>(value: Value, ms = TYPING_MS): Value {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

export interface DevicePickerProps {
  value: PickedDevice | null;
  onChange: (device: PickedDevice | null) => void;
  id?: string;
  placeholder?: string;
  "aria-label"?: string;
  "aria-describedby"?: string;
  "aria-invalid"?: true;
  className?: string;
}

/** One device, found by its name, its id or its hardware. */
export function DevicePicker({ value, onChange, placeholder = "Search by name or id", className, ...field }: DevicePickerProps) {
  const list = useId();
  const [text, setText] = useState("");
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const q = useSettled(text.trim());
  const found = useQuery({
    queryKey: ["devices", "pick", q],
    queryFn: ({ signal }) => api.get("/admin/devices", { query: { q, limit: SHOWN_MAX }, signal }),
    enabled: open && q.length > 0,
  });
  const devices = found.data?.devices ?? [];
  const shown = open && q.length > 0;

  const choose = (index: number) => {
    const device = devices[index];
    if (!device) return;
    onChange({ id: device.id, alias: device.alias });
    setText("");
    setOpen(false);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setActive((was) => Math.min(was + 1, devices.length - 1));
    else if (event.key === "ArrowUp") setActive((was) => Math.max(was - 1, 0));
    else if (event.key === "Enter" && shown) choose(active);
    else if (event.key === "Escape" && shown) setOpen(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  if (value)
    return (
      <div
        className={cn("flex h-9 items-center gap-2 rounded-control border border-line-strong bg-surface-2 pr-1 pl-3 text-sm pointer-coarse:h-10", className)}
      >
        <span className="min-w-0 grow truncate">
          {value.alias} <span className="text-ink-3 tabular">#{value.id}</span>
        </span>
        <Button variant="ghost" size="icon-sm" className="size-7" aria-label={`Not ${value.alias}`} onClick={() => onChange(null)}>
          <X />
        </Button>
      </div>
    );
  return (
    <div className={cn("relative", className)}>
      <Input
        {...field}
        role="combobox"
        aria-expanded={shown}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={shown && devices[active] ? `${list}-${active}` : undefined}
        autoComplete="off"
        spellCheck={false}
        placeholder={placeholder}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setActive(0);
          setOpen(true);
        }}
        onKeyDown={onKeyDown}
        onBlur={() => setOpen(false)}
      />
      {shown && (
        <div className="absolute inset-x-0 top-full z-20 mt-1 rounded-card border border-line bg-raised p-1 shadow-float">
          <ul id={list} role="listbox" aria-label="Devices found" className="max-h-64 overflow-y-auto">
            {devices.map((device, index) => (
              <li
                key={device.id}
                id={`${list}-${index}`}
                role="option"
                aria-selected={index === active}
                onPointerDown={(event) => {
                  event.preventDefault(); // the field keeps the focus
                  choose(index);
                }}
                className={cn(
                  "flex cursor-pointer items-center gap-2 rounded-control px-2.5 py-1.5 text-sm",
                  index === active && "bg-surface-2",
                )}
              >
                <span className="min-w-0 grow truncate">
                  {device.alias} <span className="text-xs text-ink-3">{device.site ?? ""}</span>
                </span>
                {index === active && <Check className="size-3.5 text-ink-3" aria-hidden />}
                <StatusBadge status={device.status} />
              </li>
            ))}
          </ul>
          {devices.length === 0 && (
            <p role="status" className="px-2.5 py-2 text-sm text-ink-3">
              {found.error ? found.error.message : found.isFetching ? "Searching…" : "No device is called that."}
            </p>
          )}
        </div>
      )}
    </div>
  );
}
