// SPDX-License-Identifier: Apache-2.0
import { ChevronLeft, EllipsisVertical, KeyRound, Pencil, Replace, SquareTerminal, Trash2 } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import type { CommandType } from "@/lib/command-types";
import { lastSeen, type Status } from "@/lib/device-status";
import { useLiveDevice } from "@/live/use-live";
import { CommandMenu } from "@/pages/commands/command-menu";
import { KindIcon } from "@/pages/devices/columns";
import { useQuarantine } from "@/pages/devices/quarantine";
import { useMay } from "@/session/session";
import { StatusBadge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Menu, MenuItem, MenuLine } from "@/ui/menu";
import { Time } from "@/ui/time";
import { AllowTakeover, DeleteDevice, Rename, RotateKey } from "./acts";
import type { Device } from "./use-device";

type Act = "rename" | "rotate" | "takeover" | "delete";

function More({ onAct }: { onAct: (act: Act) => void }) {
  const admin = useMay("admin");
  return (
    <Menu
      trigger={
        <Button size="icon" aria-label="More">
          <EllipsisVertical />
        </Button>
      }
    >
      <MenuItem icon={Pencil} onSelect={() => onAct("rename")}>
        Rename…
      </MenuItem>
      <MenuItem icon={Replace} onSelect={() => onAct("takeover")}>
        Allow a take-over…
      </MenuItem>
      {admin && (
        <>
          <MenuItem icon={KeyRound} onSelect={() => onAct("rotate")}>
            Rotate its key…
          </MenuItem>
          <MenuLine />
          <MenuItem icon={Trash2} danger onSelect={() => onAct("delete")}>
            Delete…
          </MenuItem>
        </>
      )}
    </Menu>
  );
}

export interface HeaderProps {
  device: Device;
  status: Status;
  onCommand: (type: CommandType) => void;
}

export function DeviceHeader({ device, status, onCommand }: HeaderProps) {
  const operator = useMay("operator");
  const resolve = useQuarantine();
  const [act, setAct] = useState<Act | null>(null);
  const seen = lastSeen(device, useLiveDevice(device.id));
  const close = () => setAct(null);
  const alive = status !== "deleted";
  return (
    <div className="mb-4">
      <Link
        to="/devices"
        className="touch-target -ml-1 inline-flex items-center gap-1 rounded text-xs font-medium text-ink-3 hover:text-ink"
      >
        <ChevronLeft className="size-3.5" aria-hidden />
        Devices
      </Link>
      <div className="mt-1.5 flex flex-wrap items-center justify-between gap-3">
        <div className="min-w-0">
          <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <h1 className="min-w-0 text-xl font-semibold tracking-tight break-words">{device.alias}</h1>
            <StatusBadge status={status} />
          </div>
          <p className="mt-1 flex gap-x-1.5 text-sm text-ink-2">
            <KindIcon kind={device.kind} className="mt-0.5" />
            <span className="min-w-0 break-words">
              {device.kind === "desktop" ? "Desktop" : "Android"} · id {device.id} · seen <Time at={seen} otherwise="never" />
              {device.site && <> · {device.site}</>}
            </span>
          </p>
        </div>
        {operator && alive && (
          <div className="flex items-center gap-2">
            {status === "quarantined" && resolve && (
              <Button variant="primary" onClick={() => resolve(device)}>
                Decide…
              </Button>
            )}
            <CommandMenu
              label="Send a command"
              device={device}
              onChoose={onCommand}
              trigger={
                <Button variant={status === "quarantined" ? "secondary" : "primary"}>
                  <SquareTerminal />
                  Command
                </Button>
              }
            />
            <More onAct={setAct} />
          </div>
        )}
      </div>
      {act === "rename" && <Rename device={device} onClose={close} />}
      {act === "rotate" && <RotateKey device={device} onClose={close} />}
      {act === "takeover" && <AllowTakeover device={device} onClose={close} />}
      {act === "delete" && <DeleteDevice device={device} onClose={close} />}
    </div>
  );
}
