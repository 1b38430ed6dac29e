// SPDX-License-Identifier: Apache-2.0
import { Plus } from "lucide-react";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { PageHeader } from "@/app/page-header";
import { Button } from "@/ui/button";
import { TabPanel, Tabs } from "@/ui/tabs";
import { NewApiToken } from "./new-token";
import { ApiTokens } from "./tokens";
import { CodeDialog, NewUser, type Code } from "./user-forms";
import { Users } from "./users";

const TABS = [
  { value: "users", label: "Users" },
  { value: "tokens", label: "API tokens" },
];

export default function PeoplePage() {
  const [search, setSearch] = useSearchParams();
  const tab = search.get("tab") === "tokens" ? "tokens" : "users";
  // In the address, so that the command palette can lead here.
  const wanted = search.get("new");
  const creating = wanted === "user" || wanted === "token" ? wanted : null;
  const [code, setCode] = useState<Code | null>(null);
  const setCreating = (what: "user" | "token" | null) =>
    setSearch(
      (was) => {
        const next = new URLSearchParams(was);
        if (what) next.set("new", what);
        else next.delete("new");
        return next;
      },
      { replace: true },
    );
  const toggle = (what: "user" | "token") => (open: boolean) => setCreating(open ? what : null);
  return (
    <>
      <PageHeader
        title="Users & tokens"
        hint="People sign in with a password; programs have tokens with scopes."
        actions={
          <Button variant="primary" onClick={() => setCreating(tab === "users" ? "user" : "token")}>
            <Plus />
            {tab === "users" ? "New user" : "New API token"}
          </Button>
        }
      />
      <Tabs label="People and programs" tabs={TABS} value={tab} onChange={(next) => setSearch(next === "users" ? {} : { tab: next })}>
        <TabPanel value="users">
          <Users />
        </TabPanel>
        <TabPanel value="tokens">
          <ApiTokens onCreate={() => setCreating("token")} />
        </TabPanel>
      </Tabs>
      <NewUser open={creating === "user"} onOpenChange={toggle("user")} onCode={setCode} />
      <CodeDialog code={code} onDone={() => setCode(null)} />
      <NewApiToken open={creating === "token"} onOpenChange={toggle("token")} />
    </>
  );
}
