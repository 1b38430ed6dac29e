// SPDX-License-Identifier: Apache-2.0
/** What is done to a device itself; each asked for again first. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { api } from "@/api/client";
import { newKey } from "@/lib/new-key";
import { CheckField } from "@/ui/checkbox";
import { Confirm } from "@/ui/dialog";
import { Field, Input } from "@/ui/field";
import { toast } from "@/ui/toast";
import { keyOf, type Device } from "./use-device";
import { writeDevice } from "./write";

export interface ActProps {
  device: Device;
  onClose: () => void;
}

export function Rename({ device, onClose }: ActProps) {
  const client = useQueryClient();
  const [alias, setAlias] = useState(device.alias);
  const [known, setKnown] = useState(device.alias);
  const rename = async () => {
    const written = await writeDevice(device.id, { alias: alias.trim() }, (now) => now.alias === known);
    await client.invalidateQueries({ queryKey: keyOf(device.id, "device") });
    if (written.done) return;
    setKnown(written.device.alias);
    throw new Error(`Somebody renamed it to “${written.device.alias}” meanwhile. Rename once more to replace that by yours.`);
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title="Rename the device"
      description="The name that people know it by."
      action="Rename"
      onConfirm={rename}
    >
      <Field label="Name">
        {(ids) => (
          <Input {...ids} autoFocus maxLength={128} autoComplete="off" value={alias} onChange={(event) => setAlias(event.target.value)} />
        )}
      </Field>
    </Confirm>
  );
}

export function RotateKey({ device, onClose }: ActProps) {
  const client = useQueryClient();
  const rotate = async () => {
    await api.post("/admin/devices/{id}/rotate-key", { path: { id: device.id }, idempotencyKey: newKey() });
    await client.invalidateQueries({ queryKey: ["commands"] });
    toast.ok("The new key is on its way. The old one signs until the device has answered.");
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title="Give the device a new key?"
      description={`Commands to it are signed with key ${device.hmac_key_version}. The next one travels in a command that this one signs, and takes over when the device has answered.`}
      action="Rotate"
      onConfirm={rotate}
    />
  );
}

export function AllowTakeover({ device, onClose }: ActProps) {
  const client = useQueryClient();
  const allow = async () => {
    await api.post("/admin/devices/{id}/allow-takeover", { path: { id: device.id }, idempotencyKey: newKey() });
    await client.invalidateQueries({ queryKey: keyOf(device.id, "device") });
    toast.ok(`${device.alias} can be taken over within an hour, once.`);
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title="Allow a take-over?"
      description="For hardware that was wiped. For an hour, and once, whoever registers with a valid enrolment token and this hardware id becomes this device, with its history."
      action="Allow it"
      onConfirm={allow}
    >
      <p className="font-mono text-xs break-all text-ink-2">{device.hardware_id}</p>
    </Confirm>
  );
}

export function DeleteDevice({ device, onClose }: ActProps) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [purge, setPurge] = useState(false);
  const remove = async () => {
    await api.delete("/admin/devices/{id}", { path: { id: device.id }, query: { purge: purge || undefined } });
    toast.ok(`${device.alias} is deleted.`);
    await navigate("/devices");
    await client.invalidateQueries({ queryKey: ["devices"] });
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Delete ${device.alias}?`}
      description="Its token ends at once; its status, events, alerts and waiting commands are lost for good. The same hardware can register again, as a new device."
      action="Delete for good"
      danger
      typeToConfirm={device.alias}
      onConfirm={remove}
    >
      <CheckField
        label="Its history too"
        hint="Every heartbeat it ever sent is removed, in the background."
        checked={purge}
        onChange={setPurge}
      />
    </Confirm>
  );
}
