// SPDX-License-Identifier: Apache-2.0
import { CircleAlert } from "lucide-react";
import { useEffect, type ReactNode } from "react";
import { useRouteError } from "react-router";
import { Button } from "@/ui/button";
import { Empty } from "@/ui/states";
import { isMissingPart, onceItAnswers } from "./missing-part";

const reload = () => window.location.reload();

function Unshown({ title, children }: { title: string; children: ReactNode }) {
  const again = (
    <Button variant="primary" onClick={reload}>
      Load it again
    </Button>
  );
  return (
    <Empty whole icon={CircleAlert} title={title} action={again}>
      {children}
    </Empty>
  );
}

/** A part of the page did not come: the appliance is away, or was upgraded while this page was open. */
function Missing() {
  useEffect(() => onceItAnswers(reload), []);
  return (
    <Unshown title="This page could not be loaded">
      The appliance is away, or was upgraded. The page comes by itself once it is back.
    </Unshown>
  );
}

export function Broken() {
  const error = useRouteError();
  const detail = error instanceof Error ? error.message : String(error);
  if (isMissingPart(detail)) return <Missing />;
  return (
    <Unshown title="This page could not be shown">
      Something in it went wrong. If that comes again, tell who looks after the appliance:
      <p className="mt-2 font-mono text-xs text-ink-3">{detail}</p>
    </Unshown>
  );
}
