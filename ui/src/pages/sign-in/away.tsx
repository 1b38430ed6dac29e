// SPDX-License-Identifier: Apache-2.0
import { useEffect } from "react";
import { useCountdown } from "@/lib/use-countdown";
import { retryStart, useSession } from "@/session/session";
import { Button } from "@/ui/button";
import { Frame, Notice } from "./frame";
import { waitText, withoutWait } from "./use-attempt";

/** Nobody knows yet who is signed in: the appliance does not answer, or not now. */
export function AwayPage() {
  const { reason, retryAt, crowded } = useSession();
  const [left, start] = useCountdown();
  useEffect(() => {
    document.title = `${crowded ? "One moment" : "Away"} · Muster`;
  }, [crowded]);
  useEffect(() => start(retryAt ? (retryAt - Date.now()) / 1000 : 0), [retryAt, start]);
  return (
    <Frame
      title={crowded ? "One moment" : "The appliance is away"}
      hint={
        crowded
          ? "The appliance takes so many requests a minute from one place. Whoever was signed in still is: this page goes on by itself."
          : "Whoever was signed in still is: this page goes on by itself once it is back."
      }
    >
      <div className="grid gap-4">
        <Notice tone={crowded ? "info" : "bad"}>{withoutWait(reason ?? "It does not answer.")}</Notice>
        <p className="text-sm text-ink-2">
          {left > 0 ? (
            <>
              Trying again in{" "}
              <b className="font-semibold tabular text-ink" role="timer">
                {waitText(left)}
              </b>
              .
            </>
          ) : (
            "Trying again …"
          )}
        </p>
        <Button size="lg" className="h-10 text-sm" busy={retryAt === null} onClick={retryStart}>
          Try now
        </Button>
      </div>
    </Frame>
  );
}
