// SPDX-License-Identifier: Apache-2.0
import { Terminal, X } from "lucide-react";
import { useState, type ReactNode } from "react";
import { enrolCommand, isLocal, serverAddress, type Door, type Shell } from "@/lib/enrol";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { CopyButton } from "@/ui/copy-button";
import { Field, Input } from "@/ui/field";
import { Secret } from "@/ui/secret";
import { Segments } from "@/ui/select";
import { SwitchField } from "@/ui/switch";
import { Waiting } from "./waiting";

/** A token as long as this page knows its secret. */
export interface Made {
  id: string;
  token: string;
  note: string;
  max_uses: number;
  /** Epoch seconds. */
  since: number;
}

function Step({ number, title, children }: { number: number; title: string; children: ReactNode }) {
  return (
    <li className="grid grid-cols-[1.75rem_minmax(0,1fr)] gap-x-3">
      <span aria-hidden className="grid size-7 place-items-center rounded-full bg-accent-soft text-xs font-semibold text-accent">
        {number}
      </span>
      <div className="min-w-0 pb-5">
        <h3 className="pt-1 pb-2.5 text-sm font-semibold">{title}</h3>
        {children}
      </div>
    </li>
  );
}

const SHELLS = [
  { value: "bash", label: "Linux, macOS" },
  { value: "powershell", label: "Windows" },
] as const;

function Command({ made, door }: { made: Made; door: Door | null }) {
  const [shell, setShell] = useState<Shell>("bash");
  const [server, setServer] = useState(() => serverAddress(window.location, door));
  const [alias, setAlias] = useState("");
  const [pinned, setPinned] = useState(door?.self_signed ?? false);
  const valid = URL.canParse(server);
  const command = enrolCommand({ shell, server, token: made.token, pin: pinned ? (door?.tls_pin ?? null) : null, alias });
  return (
    <div className="grid gap-3">
      <div className="grid gap-3 sm:grid-cols-2">
        <Field
          label="The appliance's address"
          error={valid ? null : "An address begins with https://"}
          hint={valid && isLocal(server) ? "This address is good on the appliance's own machine only." : "As the device reaches it"}
        >
          {(field) => (
            <Input
              {...field}
              value={server}
              spellCheck={false}
              autoComplete="off"
              onChange={(event) => setServer(event.target.value.trim())}
            />
          )}
        </Field>
        <Field label="Its name" hint={made.max_uses === 1 ? "Empty: the machine's host name" : "Empty: each machine's host name"}>
          {(field) => (
            <Input
              {...field}
              value={alias}
              maxLength={128}
              autoComplete="off"
              placeholder="$(hostname)"
              onChange={(event) => setAlias(event.target.value)}
            />
          )}
        </Field>
      </div>
      {door && (
        <SwitchField
          label="Trust the appliance by its key (--pin)"
          hint={
            door.self_signed
              ? "The appliance made its own certificate, which nobody vouches for: without the pin the agent refuses."
              : "Without it an authority that the device trusts must vouch for the certificate; with it the key may not change."
          }
          checked={pinned}
          onChange={setPinned}
        />
      )}
      <div className="overflow-hidden rounded-control border border-line bg-surface-2">
        <div className="flex flex-wrap items-center justify-between gap-2 border-b border-line px-2 py-2">
          <Segments label="Shell" size="sm" value={shell} onChange={setShell} options={SHELLS} />
          <CopyButton text={command} label="Copy the command" wide variant="primary" disabled={!valid} />
        </div>
        <pre tabIndex={0} data-testid="enrol-command" className="px-3.5 py-3 font-mono text-xs leading-5 break-all whitespace-pre-wrap">
          {command}
        </pre>
      </div>
      <p className="text-xs text-ink-3">
        {shell === "bash" ? (
          <>
            As the user under which the agent runs. Then it is started:{" "}
            <code className="font-mono">sudo systemctl enable --now muster-agent</code>, or by hand{" "}
            <code className="font-mono">muster-agent run</code>.
          </>
        ) : (
          <>
            In PowerShell, in the agent&rsquo;s folder. Then it is started: <code className="font-mono">.\muster-agent.exe run</code>.
          </>
        )}
      </p>
    </div>
  );
}

/** From a fresh token to a device that reports. */
export function Session({ made, door, onClose }: { made: Made; door: Door | null; onClose: () => void }) {
  return (
    <Card className="overflow-hidden" aria-labelledby="session-title">
      <header className="flex items-center gap-3 border-b border-line px-5 py-3.5">
        <span className="grid size-9 place-items-center rounded-full bg-accent-soft text-accent">
          <Terminal className="size-4" aria-hidden />
        </span>
        <div className="min-w-0 grow">
          <h2 id="session-title" className="truncate text-sm font-semibold">
            {made.note || (made.max_uses === 1 ? "Let a device in" : "Let devices in")}
          </h2>
          <p className="text-xs text-ink-3">{made.max_uses === 1 ? "For one device" : `For ${made.max_uses.toLocaleString()} devices`}</p>
        </div>
        <Button variant="ghost" size="icon-sm" aria-label="Close" onClick={onClose}>
          <X />
        </Button>
      </header>
      <ol className="px-5 pt-5">
        <Step number={1} title="Keep the token">
          <Secret text={made.token} label="Copy the token">
            The command below has it already. Apps and scripts send it as X-Enrolment-Token.
          </Secret>
        </Step>
        <Step number={2} title="Run the agent's command on the device">
          <Command made={made} door={door} />
        </Step>
        <Step number={3} title="See it come in">
          <Waiting tokenId={made.id} since={made.since} wanted={made.max_uses} />
        </Step>
      </ol>
    </Card>
  );
}
