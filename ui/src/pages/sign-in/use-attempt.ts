// SPDX-License-Identifier: Apache-2.0
import { useState, type FormEvent } from "react";
import { ApiError } from "@/api/client";
import { useCountdown } from "@/lib/use-countdown";

export interface Attempt {
  busy: boolean;
  error: string | null;
  /** Seconds until the appliance listens again; 0: it does. */
  wait: number;
  submit: (event: FormEvent) => void;
}

/** A form before the session: one request at a time, refusals in the appliance's words, a lock counted down. */
export function useAttempt(act: () => Promise<void>): Attempt {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [wait, startWait] = useCountdown();
  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      await act();
    } catch (caught) {
      if (caught instanceof ApiError && caught.retryAfterS !== null) startWait(caught.retryAfterS);
      setError(caught instanceof Error ? caught.message : String(caught));
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!busy && wait === 0) void run();
  };
  return { busy, error, wait, submit };
}

/** 75 → "1:15"; 9 → "9 s". */
export function waitText(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
