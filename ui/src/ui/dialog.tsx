// SPDX-License-Identifier: Apache-2.0
import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { useState, type ReactNode } from "react";
import { cn } from "@/lib/cn";
import { Button } from "./button";
import { Field, Input } from "./field";

export interface DialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: ReactNode;
  description?: ReactNode;
  children?: ReactNode;
  footer?: ReactNode;
  className?: string;
}

export function Dialog({ open, onOpenChange, title, description, children, footer, className }: DialogProps) {
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-50 bg-black/50 backdrop-blur-[2px]" />
        <Radix.Content
          className={cn(
            "fixed inset-x-3 top-[8vh] z-50 mx-auto flex max-h-[84vh] max-w-lg flex-col max-sm:top-3 max-sm:max-h-[calc(100dvh-1.5rem)]",
            "rounded-card border border-line bg-raised shadow-float",
            className,
          )}
          {...(description ? {} : { "aria-describedby": undefined })}
        >
          <header className="flex items-start justify-between gap-4 px-5 pt-4">
            <div className="min-w-0 break-words">
              <Radix.Title className="text-base font-semibold">{title}</Radix.Title>
              {description && <Radix.Description className="mt-1 text-sm text-ink-2">{description}</Radix.Description>}
            </div>
            <Radix.Close asChild>
              <Button variant="ghost" size="icon-sm" className="-mt-1 -mr-2" aria-label="Close">
                <X />
              </Button>
            </Radix.Close>
          </header>
          <div className="overflow-y-auto px-5 py-4">{children}</div>
          {footer && <footer className="flex justify-end gap-2 border-t border-line px-5 py-3">{footer}</footer>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

export interface ConfirmProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  /** What will happen, and that it can't be undone where it can't. */
  description: ReactNode;
  action: string;
  /** Typed before the button works: for what is lost for good. */
  typeToConfirm?: string;
  danger?: boolean;
  /** Thrown errors stay in the dialog, in the appliance's words. */
  onConfirm: () => Promise<void>;
  children?: ReactNode;
}

export function Confirm({ open, onOpenChange, title, description, action, typeToConfirm, danger, onConfirm, children }: ConfirmProps) {
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);

  const change = (next: boolean) => {
    if (!next) {
      setTyped("");
      setError(null);
    }
    onOpenChange(next);
  };
  const confirm = async () => {
    setBusy(true);
    setError(null);
    try {
      await onConfirm();
      change(false);
    } catch (caught) {
      setError(caught instanceof Error ? caught.message : String(caught));
    } finally {
      setBusy(false);
    }
  };
  const ready = !typeToConfirm || typed === typeToConfirm;
  return (
    <Dialog
      open={open}
      onOpenChange={change}
      title={title}
      description={description}
      footer={
        <>
          <Button onClick={() => change(false)}>Cancel</Button>
          <Button variant={danger ? "danger" : "primary"} busy={busy} disabled={!ready} onClick={() => void confirm()}>
            {action}
          </Button>
        </>
      }
    >
      <div className="grid gap-4">
        {children}
        {typeToConfirm && (
          <Field
            label={
              <>
                Type <b className="font-mono text-ink">{typeToConfirm}</b> to go on
              </>
            }
          >
            {(field) => (
              <Input
                {...field}
                autoFocus
                autoComplete="off"
                spellCheck={false}
                value={typed}
                onChange={(event) => setTyped(event.target.value)}
              />
            )}
          </Field>
        )}
        {error && (
          <p role="alert" className="rounded-control bg-bad-soft px-3 py-2 text-sm text-bad">
            {error}
          </p>
        )}
      </div>
    </Dialog>
  );
}
