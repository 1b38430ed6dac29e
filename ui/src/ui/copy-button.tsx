// SPDX-License-Identifier: Apache-2.0
import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { cn } from "@/lib/cn";
import { Button, type ButtonProps } from "./button";
import { toast } from "./toast";

const SHOWN_MS = 1600;

/** Over plain HTTP browsers give no clipboard: an old way is tried then, which copies what is marked. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const before = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  (before?.closest("[role=dialog]") ?? document.body).append(area); // a dialog takes the focus back from what is outside
  area.focus();
  area.select();
  const copied = document.activeElement === area && document.execCommand("copy");
  area.remove();
  if (before instanceof HTMLElement) before.focus();
  if (!copied) throw new Error("The browser doesn't let this page copy. Mark the text and copy it yourself.");
}

export interface CopyButtonProps extends Omit<ButtonProps, "onClick" | "children"> {
  text: string;
  /** What is copied: "Copy the command". */
  label?: string;
  /** The words stand on the button, not only behind the icon. */
  wide?: boolean;
}

export function CopyButton({ text, label = "Copy", wide, ...rest }: CopyButtonProps) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => {
    try {
      await copyText(text);
      setDone(true);
    } catch (error) {
      toast.failed(error);
    }
  };
  const Icon = done ? Check : Copy;
  return (
    <Button
      variant={wide ? "secondary" : "ghost"}
      size={wide ? "sm" : "icon-sm"}
      aria-label={done ? "Copied" : label}
      onClick={(event) => {
        event.stopPropagation();
        void copy();
      }}
      {...rest}
    >
      <Icon className={done ? "text-ok" : undefined} />
      {wide && (done ? "Copied" : label)}
      <span role="status" className="sr-only">
        {done && "Copied"}
      </span>
    </Button>
  );
}

/** An id, a hash, a key: in full, with a button to copy it. */
export function Code({ text, className }: { text: string; className?: string }) {
  return (
    <span className={cn("inline-flex max-w-full items-center gap-1", className)}>
      <code className="min-w-0 truncate rounded bg-surface-2 px-1.5 py-0.5 font-mono text-xs">{text}</code>
      <CopyButton text={text} label={`Copy ${text}`} className="size-6 [&_svg]:size-3.5" />
    </span>
  );
}

/** A command to paste into a terminal, or any text of several lines. */
export function CodeBlock({ text, label = "Copy", className }: { text: string; label?: string; className?: string }) {
  return (
    <div className={cn("relative rounded-control border border-line bg-surface-2", className)}>
      <pre tabIndex={0} className="overflow-x-auto py-3 pr-12 pl-3.5 font-mono text-xs leading-5 whitespace-pre">
        {text}
      </pre>
      <CopyButton text={text} label={label} className="absolute top-1.5 right-1.5 bg-surface-2" />
    </div>
  );
}
