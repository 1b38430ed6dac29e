// SPDX-License-Identifier: Apache-2.0
import { useSearchParams } from "react-router";
import { PageHeader } from "@/app/page-header";
import { useOpened } from "@/lib/use-opened";
import { TabPanel, Tabs } from "@/ui/tabs";
import { Chain } from "./chain";
import { AuditLog } from "./log";
import { Offenders, SecurityEvents } from "./security";

const TABS = [
  { value: "log", label: "Log" },
  { value: "events", label: "Security events" },
  { value: "offenders", label: "Rate limits" },
];

export default function AuditPage() {
  const [search, setSearch] = useSearchParams();
  const tab = TABS.find((one) => one.value === search.get("tab"))?.value ?? "log";
  const [opened, open] = useOpened("entry");
  return (
    <>
      <PageHeader title="Audit" hint="Who changed what, and what looked like an attack." />
      <Tabs label="What to look at" tabs={TABS} value={tab} onChange={(next) => setSearch(next === "log" ? {} : { tab: next })}>
        <TabPanel value="log">
          <Chain onOpen={open} />
          <AuditLog opened={opened} onOpen={open} />
        </TabPanel>
        <TabPanel value="events">
          <SecurityEvents />
        </TabPanel>
        <TabPanel value="offenders">
          <Offenders />
        </TabPanel>
      </Tabs>
    </>
  );
}
