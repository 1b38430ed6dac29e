// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { PageHeader } from "@/app/page-header";
import { Button } from "@/ui/button";
import { CreateToken } from "./create";
import { Session, type Made } from "./session";
import { TokenTable } from "./token-table";
import { TOKENS_KEY, useSummary } from "./use-tokens";

export default function EnrolPage() {
  const queries = useQueryClient();
  const summary = useSummary();
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState<Made | null>(null);
  const take = (next: Made) => {
    setMade(next);
    void queries.invalidateQueries({ queryKey: TOKENS_KEY });
  };
  return (
    <>
      <PageHeader
        title="Enrol"
        hint="A token lets a device in; from then on it has a key of its own."
        actions={
          <Button variant="primary" onClick={() => setCreating(true)}>
            <Plus />
            New token
          </Button>
        }
      />
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
        {made && !summary.isPending && (
          <Session key={made.id} made={made} door={summary.data?.server ?? null} onClose={() => setMade(null)} />
        )}
        <TokenTable onCreate={() => setCreating(true)} />
      </div>
      <CreateToken open={creating} onOpenChange={setCreating} onMade={take} />
    </>
  );
}
