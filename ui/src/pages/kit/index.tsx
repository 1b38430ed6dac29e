// SPDX-License-Identifier: Apache-2.0
/** The parts of the console side by side, with made-up data: in development only. */
import { Battery, Pen, Trash2, Wifi } from "lucide-react";
import { useMemo, useState } from "react";
import { PageHeader } from "@/app/page-header";
import { Badge, StatusBadge } from "@/ui/badge";
import { Bars, Shares } from "@/ui/bars";
import { Button } from "@/ui/button";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { CheckField } from "@/ui/checkbox";
import { Code, CodeBlock } from "@/ui/copy-button";
import { ColumnsMenu, DataTable, useTableLayout, type Column } from "@/ui/data-table";
import { Drawer } from "@/ui/drawer";
import { Field, Input } from "@/ui/field";
import { Menu, MenuItem, MenuLine } from "@/ui/menu";
import { Popover } from "@/ui/popover";
import { Segments } from "@/ui/select";
import { Spark } from "@/ui/spark";
import { Fact, Facts, Stat } from "@/ui/stat";
import { SwitchField } from "@/ui/switch";
import { TabPanel, Tabs } from "@/ui/tabs";
import { TimeChart, withGaps } from "@/ui/time-chart";
import { Timeline, type Segment } from "@/ui/timeline";

interface Thing {
  id: string;
  name: string;
  site: string;
  status: string;
  battery: number;
}

const STATUSES = ["online", "online", "online", "late", "silent"];
const THINGS: Thing[] = Array.from({ length: 100_000 }, (_, index) => ({
  id: String(index + 1),
  name: `Till ${index + 1}`,
  site: ["Berlin", "Wien", "Zürich", "Hamburg"][index % 4] ?? "",
  status: STATUSES[(index * 7) % 5] ?? "online",
  battery: (index * 37) % 101,
}));

const COLUMNS: Column<Thing>[] = [
  {
    id: "name",
    title: "Device",
    grow: 2,
    width: 160,
    sortable: true,
    always: true,
    compare: (a, b) => Number(a.id) - Number(b.id),
    cell: (row) => <span className="font-medium">{row.name}</span>,
  },
  { id: "status", title: "Status", width: 120, cell: (row) => <StatusBadge status={row.status} /> },
  {
    id: "site",
    title: "Site",
    grow: 1,
    width: 120,
    sortable: true,
    compare: (a, b) => a.site.localeCompare(b.site),
    cell: (row) => row.site,
  },
  {
    id: "battery",
    title: "Battery",
    width: 110,
    align: "end",
    sortable: true,
    compare: (a, b) => a.battery - b.battery,
    cell: (row) => `${row.battery} %`,
  },
  { id: "id", title: "Id", width: 100, align: "end", hidden: true, cell: (row) => row.id },
];
const idOf = (row: Thing) => row.id;
const nameOf = (row: Thing) => row.name;

function TableCard() {
  const layout = useTableLayout("kit");
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set(["2", "3"]));
  const [opened, setOpened] = useState<Thing | null>(null);
  return (
    <Card>
      <CardHeader title="Table" hint="100,000 rows" actions={<ColumnsMenu columns={COLUMNS} layout={layout} />} />
      <DataTable
        label="Things"
        columns={COLUMNS}
        rows={THINGS}
        rowId={idOf}
        rowName={nameOf}
        layout={layout}
        selection={{ ids, onChange: setIds }}
        sort={{ column: "name", direction: "asc" }}
        onOpen={setOpened}
        current={opened?.id}
        className="max-h-96"
        renderCard={(row) => (
          <div className="flex items-center justify-between gap-2">
            <div>
              <p className="font-medium">{row.name}</p>
              <p className="text-xs text-ink-3">
                {row.site} · {row.battery} %
              </p>
            </div>
            <StatusBadge status={row.status} />
          </div>
        )}
      />
      <Drawer open={opened !== null} onOpenChange={() => setOpened(null)} title={opened?.name} description={opened?.site}>
        <Facts>
          <Fact label="Id">{opened?.id}</Fact>
          <Fact label="Battery">{opened?.battery} %</Fact>
        </Facts>
      </Drawer>
    </Card>
  );
}

const START = 1_763_640_000;
const RAW = Array.from({ length: 288 }, (_, index) => START + index * 300 + (index > 150 ? 7200 : 0));

function Charts() {
  const { times, columns } = useMemo(
    () =>
      withGaps(
        RAW,
        [
          RAW.map((_, index) => 55 + 44 * Math.sin(index / 40)),
          RAW.map((_, index) => 40 + 30 * Math.sin(index / 40)),
          RAW.map((_, index) => 62 + 38 * Math.sin(index / 40)),
          RAW.map((_, index) => 2000 + 900 * Math.cos(index / 23) + (index % 7) * 40),
        ],
        900,
      ),
    [],
  );
  const series = useMemo(
    () => [
      {
        label: "Battery",
        values: columns[0] ?? [],
        low: columns[1],
        high: columns[2],
        tone: "accent" as const,
        format: (value: number) => `${Math.round(value)} %`,
      },
      {
        label: "Free memory",
        values: columns[3] ?? [],
        tone: "info" as const,
        right: true,
        format: (value: number) => `${Math.round(value)} MB`,
      },
    ],
    [columns],
  );
  return (
    <Card>
      <CardHeader title="Battery and memory" hint="Drag to zoom" />
      <CardBody>
        <TimeChart
          label="Battery and memory"
          times={times}
          series={series}
          least={0}
          most={100}
          thresholds={[{ value: 15, label: "low", tone: "bad" }]}
          sync="kit"
        />
      </CardBody>
    </Card>
  );
}

const SEGMENTS: Segment[] = Array.from({ length: 40 }, (_, index) => ({
  from: START + index * 2160,
  to: START + (index + 1) * 2160,
  state: ["online", "online", "online", "late", "silent", "online"][index % 6] ?? "online",
}));
const STATES = {
  online: { label: "Online", tone: "ok" as const },
  late: { label: "Late", tone: "warn" as const },
  silent: { label: "Silent", tone: "bad" as const },
};

function Controls() {
  const [tab, setTab] = useState("one");
  const [on, setOn] = useState(true);
  const [choice, setChoice] = useState<"day" | "week" | "month">("day");
  return (
    <Card className="px-4 py-4">
      <Tabs
        label="Parts"
        value={tab}
        onChange={setTab}
        tabs={[
          { value: "one", label: "Controls", count: 3 },
          { value: "two", label: "Text" },
        ]}
      >
        <TabPanel value="one" className="grid gap-4">
          <div className="flex flex-wrap items-center gap-2">
            <Button variant="primary">Primary</Button>
            <Button>Secondary</Button>
            <Button variant="danger">Danger</Button>
            <Button busy>Busy</Button>
            <Menu trigger={<Button>Menu</Button>}>
              <MenuItem icon={Pen} note="E">
                Rename
              </MenuItem>
              <MenuLine />
              <MenuItem icon={Trash2} danger>
                Delete
              </MenuItem>
            </Menu>
            <Popover label="Filter" trigger={<Button>Popover</Button>}>
              {(close) => <Button onClick={close}>Close</Button>}
            </Popover>
            <Segments
              label="Range"
              value={choice}
              onChange={setChoice}
              options={[
                { value: "day", label: "Day" },
                { value: "week", label: "Week" },
                { value: "month", label: "Month" },
              ]}
            />
          </div>
          <SwitchField label="Remediation" hint="Sends a relaunch when the service is down." checked={on} onChange={setOn} />
          <CheckField label="Purge the history too" hint="In the background; it can't be brought back." checked={on} onChange={setOn} />
          <Field label="Name" hint="As people call it">
            {(field) => <Input {...field} placeholder="Till 4" />}
          </Field>
        </TabPanel>
        <TabPanel value="two" className="grid gap-3">
          <Code text="2f6f0cbb-3a4e-4d45-9d2d-1e7a31ac" />
          <CodeBlock text={"curl -fsSL https://muster.example/agent | sh -s -- --token 9f2c"} />
          <div className="flex gap-2">
            <Badge tone="info">info</Badge>
            <Badge tone="warn">warning</Badge>
          </div>
        </TabPanel>
      </Tabs>
    </Card>
  );
}

export default function KitPage() {
  return (
    <div data-page className="grid gap-4">
      <PageHeader title="Kit" hint="The parts, with made-up data" />
      <div className="grid grid-cols-2 gap-4 lg:grid-cols-4">
        <Stat label="Online" tone="ok" value="1,990" hint="of 2,000" to="/devices" />
        <Stat label="Silent" tone="bad" value="3" />
        <Stat label="Heartbeats" icon={Wifi} value="6.7" unit="/s">
          <Spark label="Heartbeats of the last minutes" values={RAW.slice(0, 60).map((_, index) => Math.sin(index / 5))} />
        </Stat>
        <Stat label="Battery" icon={Battery} value={undefined} />
      </div>
      <div className="grid gap-4 lg:grid-cols-2">
        <Controls />
        <Charts />
        <Card>
          <CardHeader title="Agent versions" />
          <CardBody className="grid gap-5">
            <Bars
              label="Agent versions"
              bars={[
                { key: "a", label: "2.4.1", value: 1700, to: "/devices" },
                { key: "b", label: "2.4.0", value: 240 },
                { key: "c", label: "unknown", value: 3, tone: "idle" },
              ]}
            />
            <Shares
              label="Status"
              bars={[
                { key: "o", label: "Online", value: 1990, tone: "ok" },
                { key: "l", label: "Late", value: 60, tone: "warn" },
                { key: "s", label: "Silent", value: 30, tone: "bad" },
              ]}
            />
          </CardBody>
        </Card>
        <Card>
          <CardHeader title="Presence" />
          <CardBody>
            <Timeline label="Presence" lines={[{ key: "p", segments: SEGMENTS }]} states={STATES} range={[START, START + 86_400]} />
          </CardBody>
        </Card>
      </div>
      <TableCard />
    </div>
  );
}
