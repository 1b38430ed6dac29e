// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from "react";
import { cn } from "@/lib/cn";
import { Card } from "@/ui/card";

/** A heading with what it is about at the left, the thing itself at the right. */
export function Section({ id, title, hint, children }: { id: string; title: string; hint: ReactNode; children: ReactNode }) {
  return (
    <section
      id={id}
      aria-labelledby={`${id}-title`}
      className={cn(
        "grid scroll-mt-20 gap-x-10 gap-y-3 border-t border-line py-7 first:border-0 first:pt-0",
        "lg:grid-cols-[17rem_minmax(0,1fr)]",
      )}
    >
      <div>
        <h2 id={`${id}-title`} className="text-sm font-semibold">
          {title}
        </h2>
        <p className="mt-1 text-sm text-ink-2">{hint}</p>
      </div>
      <Card className="min-w-0 overflow-hidden">{children}</Card>
    </section>
  );
}
