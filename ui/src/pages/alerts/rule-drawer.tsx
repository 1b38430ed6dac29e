// SPDX-License-Identifier: Apache-2.0
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Undo2 } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import { actorName } from "@/lib/alert-words";
import { isOfField } from "@/lib/form-error";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { Drawer } from "@/ui/drawer";
import { Failure } from "@/ui/states";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";
import { builtIn, RULE_FIELDS, RuleForm } from "./rule-form";
import { RuleOverrides } from "./rule-overrides";
import { changeOf, draftOfLayer, ruleDoc, type AlertRule } from "./rule-words";

/** What holds for all devices. */
function ForAll({ rule }: { rule: AlertRule }) {
  const queries = useQueryClient();
  const admin = useMay("admin");
  const [draft, setDraft] = useState(() => draftOfLayer(rule.fleet));
  const saving = useMutation({
    mutationFn: (next: typeof draft) => api.patch("/admin/alert-rules/{rule}", { path: { rule: rule.rule }, body: changeOf(rule, next) }),
    onSuccess: async (_, next) => {
      setDraft(next);
      toast.ok(`${rule.title}: changed, and judged anew.`);
      await queries.invalidateQueries({ queryKey: ["alerts", "rules"] });
    },
  });
  const changed = JSON.stringify(draft) !== JSON.stringify(draftOfLayer(rule.fleet));
  return (
    <section aria-label="For all" className="grid gap-4">
      <div>
        <h3 className="text-sm font-semibold">{rule.about === "device" ? "For all devices" : "For the appliance"}</h3>
        <p className="mt-0.5 text-xs text-ink-3">
          {builtIn(rule)} Empty fields are as built in.
          {rule.fleet && (
            <>
              {" "}
              Changed by {actorName(rule.fleet.updated_by)}, <Time at={rule.fleet.updated_at} />.
            </>
          )}
        </p>
      </div>
      <RuleForm
        rule={rule}
        draft={draft}
        onChange={(change) => setDraft((was) => ({ ...was, ...change }))}
        wider={rule.defaults}
        widerName="As built in"
        error={saving.error}
        disabled={!admin}
      />
      {saving.error && !isOfField(saving.error, RULE_FIELDS) && <Failure error={saving.error} />}
      {admin && (
        <div className="flex flex-wrap gap-2">
          <Button variant="primary" disabled={!changed} busy={saving.isPending} onClick={() => saving.mutate(draft)}>
            Save
          </Button>
          {rule.fleet && (
            <Button disabled={saving.isPending} onClick={() => saving.mutate(draftOfLayer(null))}>
              <Undo2 /> As built in
            </Button>
          )}
        </div>
      )}
    </section>
  );
}

export function RuleDrawer({ rule, onClose }: { rule: AlertRule | null; onClose: () => void }) {
  return (
    <Drawer
      open={rule !== null}
      onOpenChange={(open) => !open && onClose()}
      title={rule?.title ?? "Rule"}
      description={rule ? ruleDoc(rule) : undefined}
      className="sm:max-w-xl"
    >
      {rule && (
        <div className="grid grid-cols-1 gap-8">
          <ForAll key={rule.rule} rule={rule} />
          {rule.about === "device" && <RuleOverrides rule={rule} />}
        </div>
      )}
    </Drawer>
  );
}
