// SPDX-License-Identifier: Apache-2.0
import { useState, type FormEvent } from "react";
import { ApiError } from "@/api/client";
import { useCountdown } from "@/lib/use-countdown";

export interface Attempt {
  busy: boolean;
  error: string | null;
  /** Seconds until the appliance listens again; 0: it does. */
  wait: number;
  /** When that is, in milliseconds since 1970; null: it never asked to wait. */
  waitEnds: number | null;
  submit: (event: FormEvent) => void;
  /** What was said is not about what is asked for now. */
  forget: () => void;
}

/** A form before the session: one request at a time, refusals in the appliance's words, a lock counted down. */
export function useAttempt(act: () => Promise<void>): Attempt {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [wait, startWait] = useCountdown();
  const [waitEnds, setWaitEnds] = useState<number | null>(null);
  const run = async () => {
    setBusy(true);
    setError(null);
    setWaitEnds(null);
    try {
      await act();
    } catch (caught) {
      if (caught instanceof ApiError && caught.retryAfterS !== null) {
        startWait(caught.retryAfterS);
        setWaitEnds(Date.now() + caught.retryAfterS * 1000);
      }
      setError(caught instanceof Error ? caught.message : String(caught));
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!busy && wait === 0) void run();
  };
  const forget = () => {
    setError(null);
    setWaitEnds(null);
    startWait(0);
  };
  return { busy, error, wait, waitEnds, submit, forget };
}

/** The appliance's sentence without its "try again in 600 s", which is counted down beside it. */
export const withoutWait = (sentence: string) => sentence.replace(/; try again in \d+ s\.$/, ".");

/** 75 → "1:15"; 9 → "9 s". */
export function waitText(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
