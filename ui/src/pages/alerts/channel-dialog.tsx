// SPDX-License-Identifier: Apache-2.0
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { isOfField } from "@/lib/form-error";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Failure } from "@/ui/states";
import { toast } from "@/ui/toast";
import { ChannelForm, CHANNEL_FIELDS, channelBody, draftOf } from "./channel-form";
import { SecretOnce } from "./channel-secret";
import { ChannelTest } from "./channel-test";
import type { Channel } from "./channel-words";

export interface ChannelDialogProps {
  /** The one to change; without it one is made. */
  channel?: Channel;
  onClose: () => void;
}

type Saved = Schema<"AlertChannelMade">;

/** After it was made: its secret, once, and a test. */
function Made({ made, onClose }: { made: Saved; onClose: () => void }) {
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`${made.channel.name} is ready`}
      description="What fires from now on is told there. Send a test to see that it arrives."
      footer={
        <Button variant="primary" onClick={onClose}>
          Done
        </Button>
      }
    >
      <div className="grid grid-cols-1 gap-5">
        {made.signing_secret && <SecretOnce secret={made.signing_secret} />}
        <ChannelTest channel={made.channel} />
      </div>
    </Dialog>
  );
}

export function ChannelDialog({ channel, onClose }: ChannelDialogProps) {
  const queries = useQueryClient();
  const [draft, setDraft] = useState(() => draftOf(channel));
  const saving = useMutation({
    mutationFn: async (): Promise<Saved> => {
      const body = channelBody(draft);
      if (!channel) return api.post("/admin/alert-channels", { body: { ...body, kind: draft.kind, name: draft.name.trim() } });
      const changed = await api.patch("/admin/alert-channels/{id}", { path: { id: channel.id }, body });
      return { channel: changed, signing_secret: null };
    },
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["alerts", "channels"] });
      if (!channel) return;
      toast.ok("The channel was changed.");
      onClose();
    },
  });
  if (!channel && saving.data) return <Made made={saving.data} onClose={onClose} />;
  const needs = draft.name.trim() && (channel || (draft.kind === "email" ? draft.to.trim() : draft.url.trim()));
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={channel ? `Change ${channel.name}` : "New channel"}
      className="max-w-xl"
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" busy={saving.isPending} disabled={!needs} onClick={() => saving.mutate()}>
            {channel ? "Save" : "Create the channel"}
          </Button>
        </>
      }
    >
      <ChannelForm
        draft={draft}
        onChange={(change) => setDraft((was) => ({ ...was, ...change }))}
        error={saving.error}
        existing={Boolean(channel)}
      />
      {saving.error && !isOfField(saving.error, CHANNEL_FIELDS) && <Failure error={saving.error} className="mt-4" />}
    </Dialog>
  );
}
