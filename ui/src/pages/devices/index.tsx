// SPDX-License-Identifier: Apache-2.0
import { Download, RefreshCw, SearchX, TabletSmartphone } from "lucide-react";
import { useCallback, useEffect, useMemo, useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { PageHeader } from "@/app/page-header";
import { downloadCsv } from "@/lib/csv-download";
import { count } from "@/lib/format";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { DataTable, useTableLayout, type Sort, type TableSelection } from "@/ui/data-table";
import { Empty } from "@/ui/states";
import { toast } from "@/ui/toast";
import { COLUMNS, DeviceCard } from "./columns";
import { filterOf, isFiltered, searchOf, sortOf, type Filter } from "./filter";
import { QuarantineResolver } from "./quarantine";
import { SelectionBar } from "./selection-bar";
import { NOTHING, type Chosen } from "./snapshot";
import { Toolbar } from "./toolbar";
import { useDevices, type DeviceRow } from "./use-devices";
import { ViewsMenu } from "./views-menu";

/** Pixels: two lines, tags, and the room around them. */
const CARD_HEIGHT = 93;

const rowId = (row: DeviceRow) => row.id;
const rowName = (row: DeviceRow) => row.alias;

function ExportButton({ filter }: { filter: Filter }) {
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    try {
      await downloadCsv("/admin/devices.csv", filter, "devices.csv");
    } catch (error) {
      toast.failed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Button busy={busy} onClick={() => void save()} aria-label="Export what is shown as CSV">
      {!busy && <Download />}
      <span className="max-sm:hidden">CSV</span>
    </Button>
  );
}

function NoDevices({ filter, onClear }: { filter: Filter; onClear: () => void }) {
  const admin = useMay("admin");
  if (isFiltered(filter))
    return (
      <Empty icon={SearchX} title="No device matches" action={<Button onClick={onClear}>Show all</Button>}>
        Nothing in the fleet is like what you search and filter by.
      </Empty>
    );
  return (
    <Empty
      icon={TabletSmartphone}
      title="No devices yet"
      action={
        admin && (
          <Button asChild variant="primary">
            <Link to="/enrol">Enrol the first one</Link>
          </Button>
        )
      }
    >
      A device is here as soon as it is registered, and its status from its first heartbeat on.
    </Empty>
  );
}

/** Filter and order, in the page's address. */
function useAddress() {
  const [search, setSearch] = useSearchParams();
  const text = search.toString();
  return useMemo(() => {
    const read = new URLSearchParams(text);
    const filter = filterOf(read);
    const sort = sortOf(read);
    return {
      filter,
      sort,
      search: searchOf(filter, sort).toString(),
      setFilter: (next: Filter) => setSearch(searchOf(next, sort)),
      setSort: (next: Sort) => setSearch(searchOf(filter, next)),
      open: (next: string) => setSearch(new URLSearchParams(next)),
    };
  }, [text, setSearch]);
}

export default function DevicesPage() {
  const { filter, sort, search, setFilter, setSort, open } = useAddress();
  const layout = useTableLayout("devices");
  const list = useDevices(filter, sort);
  const navigate = useNavigate();
  const operator = useMay("operator");
  const [chosen, setChosen] = useState<Chosen>(NOTHING);
  const filterText = searchOf(filter).toString();
  useEffect(() => setChosen(NOTHING), [filterText]); // what one can't see any more is not chosen either

  const openDevice = useCallback((row: DeviceRow) => void navigate(`/devices/${row.id}`), [navigate]);
  const selectable = operator && filter.status !== "deleted";
  const { total } = list;
  const selection = useMemo<TableSelection>(
    () => ({
      ids: chosen.all ? NOTHING.ids : chosen.ids,
      onChange: (ids) => setChosen({ all: false, ids }),
      all: { chosen: chosen.all, set: (all) => setChosen(all ? { all, filter, count: total ?? 0 } : NOTHING) },
    }),
    [chosen, filter, total],
  );
  const matching = total === undefined ? "" : isFiltered(filter) ? `${count(total)} match` : `${count(total)} in the fleet`;

  return (
    <QuarantineResolver>
      <PageHeader
        title="Devices"
        hint={matching || "Counting…"}
        actions={
          <>
            {list.news.changed && (
              <Button variant="ghost" onClick={list.news.reread}>
                <RefreshCw />
                Changed. Read again
              </Button>
            )}
            <ViewsMenu search={search} onOpen={open} />
            <ExportButton filter={filter} />
          </>
        }
      />
      <div className="grid grid-cols-[minmax(0,1fr)] gap-3">
        <Toolbar filter={filter} onChange={setFilter} layout={layout} />
        <Card className="min-w-0 overflow-hidden">
          <DataTable
            label="Devices"
            columns={COLUMNS}
            layout={layout}
            rowId={rowId}
            rowName={rowName}
            {...list.table}
            sort={sort}
            onSort={setSort}
            selection={selectable ? selection : undefined}
            onOpen={openDevice}
            renderCard={(row) => <DeviceCard row={row} />}
            cardHeight={CARD_HEIGHT}
            empty={<NoDevices filter={filter} onClear={() => setFilter({})} />}
          />
        </Card>
      </div>
      {selectable && <SelectionBar chosen={chosen} onChange={setChosen} filter={filter} total={total} />}
    </QuarantineResolver>
  );
}
