// SPDX-License-Identifier: Apache-2.0
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { CheckCheck, MessageSquarePlus, Undo2 } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import type { Incident } from "@/lib/alert-words";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, Textarea } from "@/ui/field";
import { Failure } from "@/ui/states";
import { toast } from "@/ui/toast";

interface SayProps {
  title: string;
  description: string;
  label: string;
  action: string;
  needed: boolean;
  most: number;
  onClose: () => void;
  send: (text: string) => Promise<unknown>;
}

/** A dialog with one text. */
function Say({ title, description, label, action, needed, most, onClose, send }: SayProps) {
  const [text, setText] = useState("");
  const sending = useMutation({ mutationFn: () => send(text.trim()), onSuccess: onClose });
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={title}
      description={description}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" busy={sending.isPending} disabled={needed && !text.trim()} onClick={() => sending.mutate()}>
            {action}
          </Button>
        </>
      }
    >
      <div className="grid gap-3">
        <Field label={label}>
          {(field) => <Textarea {...field} autoFocus maxLength={most} value={text} onChange={(event) => setText(event.target.value)} />}
        </Field>
        {sending.error && <Failure error={sending.error} />}
      </div>
    </Dialog>
  );
}

/** Acknowledge, take that back, note: for operators and administrators. */
export function IncidentActions({ incident }: { incident: Incident }) {
  const queries = useQueryClient();
  const [asking, setAsking] = useState<"ack" | "note" | null>(null);
  const path = { id: incident.id };
  const changed = (told: string) => {
    toast.ok(told);
    return queries.invalidateQueries({ queryKey: ["alerts"] });
  };
  const unack = useMutation({
    mutationFn: () => api.delete("/admin/incidents/{id}/acknowledge", { path }),
    onSuccess: () => changed("The acknowledgement was taken back."),
    onError: toast.failed,
  });
  const close = () => setAsking(null);
  if (!useMay("operator")) return <p className="mr-auto text-xs text-ink-3">Operators acknowledge incidents and add notes.</p>;
  return (
    <>
      <Button onClick={() => setAsking("note")}>
        <MessageSquarePlus /> Add a note
      </Button>
      {incident.acked_at && !incident.closed_at && (
        <Button busy={unack.isPending} onClick={() => unack.mutate()}>
          <Undo2 /> Take back
        </Button>
      )}
      {!incident.acked_at && !incident.closed_at && (
        <Button variant="primary" onClick={() => setAsking("ack")}>
          <CheckCheck /> Acknowledge
        </Button>
      )}
      {asking === "ack" && (
        <Say
          title="Acknowledge"
          description="You say that somebody takes care of it. Everybody who was told of the incident hears of that."
          label="What is being done (may be left empty)"
          action="Acknowledge"
          needed={false}
          most={500}
          onClose={close}
          send={async (note) => {
            await api.post("/admin/incidents/{id}/acknowledge", { path, body: note ? { note } : {} });
            await changed("Acknowledged.");
          }}
        />
      )}
      {asking === "note" && (
        <Say
          title="Add a note"
          description="Nobody is told; whoever looks at the incident sees it in its thread."
          label="Note"
          action="Add"
          needed
          most={2000}
          onClose={close}
          send={async (text) => {
            await api.post("/admin/incidents/{id}/note", { path, body: { text } });
            await changed("The note was added.");
          }}
        />
      )}
    </>
  );
}
