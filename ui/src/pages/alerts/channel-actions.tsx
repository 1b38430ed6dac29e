// SPDX-License-Identifier: Apache-2.0
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Ellipsis, KeyRound, Pen, Power, Trash2 } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { Button } from "@/ui/button";
import { Confirm, Dialog } from "@/ui/dialog";
import { Menu, MenuItem, MenuLine } from "@/ui/menu";
import { toast } from "@/ui/toast";
import { ChannelDialog } from "./channel-dialog";
import { SecretOnce } from "./channel-secret";
import type { Channel } from "./channel-words";

type Asking = "change" | "rotate" | "remove" | null;

/** What an administrator does with a channel. */
export function ChannelActions({ channel }: { channel: Channel }) {
  const queries = useQueryClient();
  const [asking, setAsking] = useState<Asking>(null);
  const [rotated, setRotated] = useState<Schema<"AlertChannelRotated"> | null>(null);
  const path = { id: channel.id };
  const read = () => queries.invalidateQueries({ queryKey: ["alerts", "channels"] });
  const turning = useMutation({
    mutationFn: () => api.patch("/admin/alert-channels/{id}", { path, body: { enabled: !channel.enabled } }),
    onSuccess: (now) => {
      toast.ok(`${now.name} is ${now.enabled ? "on" : "off"}.`);
      return read();
    },
    onError: toast.failed,
  });
  const close = (open: boolean) => !open && setAsking(null);
  return (
    <>
      <Menu
        trigger={
          <Button variant="ghost" size="icon-sm" aria-label={`What to do with ${channel.name}`}>
            <Ellipsis />
          </Button>
        }
      >
        <MenuItem icon={Pen} onSelect={() => setAsking("change")}>
          Change
        </MenuItem>
        <MenuItem icon={Power} onSelect={() => turning.mutate()}>
          {channel.enabled ? "Turn off" : "Turn on"}
        </MenuItem>
        {channel.kind === "webhook" && (
          <MenuItem icon={KeyRound} onSelect={() => setAsking("rotate")}>
            New signing secret
          </MenuItem>
        )}
        <MenuLine />
        <MenuItem icon={Trash2} danger onSelect={() => setAsking("remove")}>
          Remove
        </MenuItem>
      </Menu>
      {asking === "change" && <ChannelDialog channel={channel} onClose={() => setAsking(null)} />}
      <Confirm
        open={asking === "rotate"}
        onOpenChange={close}
        title={`A new signing secret for ${channel.name}?`}
        description="For 24 hours messages carry both signatures, so that whoever receives them can change over. A secret that was replaced before ends at once."
        action="Create a new secret"
        onConfirm={async () => setRotated(await api.post("/admin/alert-channels/{id}/rotate-secret", { path }))}
      />
      <Confirm
        open={asking === "remove"}
        onOpenChange={close}
        title={`Remove ${channel.name}?`}
        description="What waits for it is dropped, its URL and secret are forgotten. What it was told stays on record. This can't be undone."
        action="Remove"
        typeToConfirm={channel.name}
        danger
        onConfirm={async () => {
          await api.delete("/admin/alert-channels/{id}", { path });
          toast.ok(`${channel.name} was removed.`);
          await read();
        }}
      />
      {rotated && (
        <Dialog
          open
          onOpenChange={(open) => !open && setRotated(null)}
          title={`The new secret of ${channel.name}`}
          footer={
            <Button variant="primary" onClick={() => setRotated(null)}>
              Done
            </Button>
          }
        >
          <SecretOnce secret={rotated.signing_secret} oldUntil={rotated.old_valid_until} />
        </Dialog>
      )}
    </>
  );
}
