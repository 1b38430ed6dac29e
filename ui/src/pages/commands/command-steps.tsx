// SPDX-License-Identifier: Apache-2.0
import { Check } from "lucide-react";
import { cn } from "@/lib/cn";
import { STATE_TITLES, type Command } from "@/lib/command-words";
import { Time } from "@/ui/time";

interface Step {
  title: string;
  at: string | null;
  bad?: boolean;
}

/** How far it came; a state that was skipped is passed all the same. */
export function stepsOf(command: Command): Step[] {
  const { state } = command;
  const ended = state === "done" || state === "failed" || state === "expired" || state === "cancelled";
  return [
    { title: "Asked", at: command.created_at },
    { title: "Sent", at: command.sent_at },
    { title: "Received", at: command.received_at },
    { title: ended ? STATE_TITLES[state] : "Done", at: command.finished_at, bad: ended && state !== "done" },
  ];
}

export function CommandSteps({ command }: { command: Command }) {
  const steps = stepsOf(command);
  const last = steps.findLastIndex((step) => step.at !== null);
  const stopped = steps[last]?.bad ?? false; // what lies between was skipped, or never came
  const went = (index: number) => index <= last && (!stopped || (steps[index]?.at !== null && steps[index - 1]?.at !== null));
  return (
    <ol aria-label="How far it is" className="grid grid-cols-4">
      {steps.map((step, index) => (
        <li key={step.title} className="relative grid justify-items-center gap-1 text-center">
          {index > 0 && (
            <span aria-hidden className={cn("absolute top-3 right-1/2 h-px w-full", went(index) ? "bg-accent" : "bg-line-strong")} />
          )}
          <span
            aria-hidden
            className={cn(
              "relative z-10 grid size-6 place-items-center rounded-full border bg-raised text-xs",
              step.at === null && "border-line-strong text-ink-3",
              step.at !== null && (step.bad ? "border-bad bg-bad-soft text-bad" : "border-accent bg-accent-soft text-accent"),
            )}
          >
            {step.at !== null ? step.bad ? "!" : <Check className="size-3.5" /> : index + 1}
          </span>
          <span className="text-xs font-medium capitalize">{step.title}</span>
          <Time at={step.at} otherwise={index < last ? (stopped ? "never" : "skipped") : "–"} className="text-xs text-ink-3" />
        </li>
      ))}
    </ol>
  );
}
