// SPDX-License-Identifier: Apache-2.0
import { ArrowRight, Bell, HeartPulse, QrCode, type LucideIcon } from "lucide-react";
import { Link } from "react-router";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";

const STEPS: { icon: LucideIcon; title: string; text: string }[] = [
  { icon: QrCode, title: "Enrol a device", text: "Create a token and run one line with the agent on the device: it reports here." },
  { icon: HeartPulse, title: "See its first heartbeat", text: "It shows here within a minute, and from then on every five minutes." },
  {
    icon: Bell,
    title: "Be told when it falls silent",
    text: "After twelve minutes without a sign of life an incident opens, and whoever should know is told.",
  },
];

/** A fleet of nobody: what to do first. */
export function NoDevices() {
  const admin = useMay("admin");
  return (
    <Card className="px-6 py-10 sm:px-10 sm:py-14">
      <div className="mx-auto max-w-3xl">
        <p className="text-sm font-medium text-accent">Everything is ready</p>
        <h1 className="mt-1 text-2xl font-semibold tracking-tight text-balance sm:text-3xl" data-testid="headline">
          No device reports yet
        </h1>
        <p className="mt-2 max-w-xl text-sm text-ink-2">
          The appliance is running and waits for its first device. From then on this page says, in one sentence, how your fleet is.
        </p>
        <ol className="mt-8 grid gap-6 sm:grid-cols-3">
          {STEPS.map(({ icon: Icon, title, text }, index) => (
            <li key={title}>
              <span className="grid size-10 place-items-center rounded-full bg-accent-soft text-accent">
                <Icon className="size-5" aria-hidden />
              </span>
              <p className="mt-3 text-sm font-medium">
                {index + 1}. {title}
              </p>
              <p className="mt-1 text-sm text-ink-2">{text}</p>
            </li>
          ))}
        </ol>
        <div className="mt-8">
          {admin ? (
            <Button asChild variant="primary" size="lg">
              <Link to="/enrol">
                Enrol the first device
                <ArrowRight />
              </Link>
            </Button>
          ) : (
            <p className="text-sm text-ink-2">An administrator can enrol devices.</p>
          )}
        </div>
      </div>
    </Card>
  );
}
