// SPDX-License-Identifier: Apache-2.0
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { decimal } from "@/lib/format";
import { serverNow } from "@/live/server-now";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { Segments } from "@/ui/select";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { TimeChart, withGaps } from "@/ui/time-chart";
import { Timeline, type SegmentTone, type StateLook } from "@/ui/timeline";
import { useZoom, ZoomArea, ZoomButtons } from "@/ui/zoom";
import { appName, appSegments, epoch, onlineSegments, within, type Range } from "./history";
import { keyOf, type Device } from "./use-device";

type History = Schema<"DeviceHistory">;

const SPANS = { "6h": 6 * 3600, "24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400, "90d": 90 * 86_400 };
type Span = keyof typeof SPANS;
const SPAN_NAMES: { value: Span; label: string }[] = [
  { value: "6h", label: "6 h" },
  { value: "24h", label: "24 h" },
  { value: "7d", label: "7 d" },
  { value: "30d", label: "30 d" },
  { value: "90d", label: "90 d" },
];
const ONLINE: Record<string, StateLook> = {
  online: { label: "Online", tone: "ok" },
  late: { label: "Late", tone: "warn" },
  silent: { label: "Silent", tone: "bad" },
};
const APP_TONES: SegmentTone[] = ["accent", "info", "warn", "ok"];
const POINTS = 300;
const EVENTS_PAGES = 3;
const iso = (seconds: number) => new Date(seconds * 1000).toISOString();

interface Shown {
  span: Span;
  zoom: [number, number] | null;
}

const rangeOf = ({ span, zoom }: Shown): [number, number] => {
  if (zoom) return zoom;
  const to = Math.ceil(serverNow());
  return [to - SPANS[span], to];
};

/** Time goes on also for a device that says nothing: its heartbeats read the charts anew, or else this does. */
const onTheMoveMs = (shown: Shown) => (shown.zoom ? (false as const) : 60_000);

const useHistory = (id: string, shown: Shown) =>
  useQuery({
    queryKey: keyOf(id, "history", shown),
    queryFn: ({ signal }) => {
      const [from, to] = rangeOf(shown);
      return api.get("/admin/devices/{id}/history", { path: { id }, query: { from: iso(from), to: iso(to), points: POINTS }, signal });
    },
    placeholderData: keepPreviousData,
    refetchInterval: onTheMoveMs(shown),
  });

/** Changes of the app, the newest first, as far back as a few requests reach. */
const useApps = (id: string, shown: Shown) =>
  useQuery({
    queryKey: keyOf(id, "events", "apps", shown),
    queryFn: async ({ signal }) => {
      const [from, end] = rangeOf(shown);
      const events: Schema<"DeviceEvent">[] = [];
      let to: string | null | undefined = iso(end);
      for (let page = 0; page < EVENTS_PAGES && to; page++) {
        const query = { from: iso(from), to, limit: 500 };
        const answer: Schema<"DeviceEvents"> = await api.get("/admin/devices/{id}/events", { path: { id }, query, signal });
        events.push(...(answer.events ?? []));
        to = answer.next_to;
      }
      return { events, since: to ? epoch(to) : from, to: end };
    },
    placeholderData: keepPreviousData,
    refetchInterval: onTheMoveMs(shown),
  });

const percentText = (value: number) => `${Math.round(value)} %`;
const ramText = (mb: number) => (mb === 0 || mb >= 1000 ? `${decimal(mb / 1024)} GiB` : `${Math.round(mb)} MiB`);

/** All four begin and end at the same place: what was at one time stands under each other. */
const AXIS_PX = 60;
const ALIGNED = "pl-[60px] pr-2.5";

function useSeries(history: History | undefined) {
  return useMemo(() => {
    const points = history?.points ?? [];
    const pick = (name: "battery" | "ram_free_mb", part: "min" | "avg" | "max") => points.map((point) => point[name]?.[part] ?? null);
    const columns = (["battery", "ram_free_mb"] as const).flatMap((name) => [pick(name, "avg"), pick(name, "min"), pick(name, "max")]);
    const gapS = Math.max(1800, 3 * (history?.step_s ?? 300));
    const { times, columns: cut } = withGaps(points.map((point) => epoch(point.at)), columns, gapS);
    const [battery = [], batteryLow = [], batteryHigh = [], ram = [], ramLow = [], ramHigh = []] = cut;
    return {
      times,
      battery: [
        { label: "Battery", values: battery, low: batteryLow, high: batteryHigh, tone: "accent" as const, area: true, format: percentText },
      ],
      ram: [{ label: "RAM free", values: ram, low: ramLow, high: ramHigh, tone: "info" as const, area: true, format: ramText }],
      hasBattery: battery.some((value) => value !== null),
      hasRam: ram.some((value) => value !== null),
    };
  }, [history]);
}

function Titled({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section className="min-w-0">
      <h3 className="mb-1.5 text-xs font-medium text-ink-2">{title}</h3>
      {children}
    </section>
  );
}

interface PlotsProps {
  device: Device;
  history: History;
  shown: Shown;
  /** The time on the axes: what was asked for, or what fingers and keys are about to ask for. */
  range: Range;
  lowAt: number | undefined;
  onZoom: (zoom: [number, number] | null) => void;
}

function useLines(device: Device, history: History, shown: Shown, range: Range) {
  const apps = useApps(device.id, shown).data;
  return useMemo(() => {
    const known = Math.min(epoch(device.created_at), epoch(history.points?.[0]?.at) || Number.POSITIVE_INFINITY);
    const online = onlineSegments(history.points ?? [], history.step_s ?? 300, device.heartbeat_interval_s, range, known);
    const heard = online.filter((segment) => segment.state === "online");
    const shownApps = apps ? within(appSegments(apps.events, range, device.last?.fg_package, apps.since), heard) : [];
    const times = new Map<string, number>();
    for (const one of shownApps) times.set(one.state, (times.get(one.state) ?? 0) + one.to - one.from);
    const states: Record<string, StateLook> = {};
    [...times].sort((a, b) => b[1] - a[1]).forEach(([name], index) => {
      states[name] = { label: appName(name), tone: APP_TONES[index] ?? "idle" };
    });
    return { online, apps: shownApps, states, partly: apps !== undefined && apps.since > range[0] + 1 };
  }, [device.created_at, device.heartbeat_interval_s, device.last?.fg_package, history, apps, range]);
}

function Plots({ device, history, shown, range, lowAt, onZoom }: PlotsProps) {
  const series = useSeries(history);
  const lines = useLines(device, history, shown, range);
  const thresholds = useMemo(
    () => (lowAt === undefined ? [] : [{ value: lowAt, label: `alert below ${lowAt} %`, tone: "bad" as const }]),
    [lowAt],
  );
  if ((history.points ?? []).length === 0)
    return <Empty title="Nothing in this time">The device sent no heartbeat, or they are in the archive already.</Empty>;
  const common = { times: series.times, range, onZoom, sync: "device", axisWidth: AXIS_PX };
  return (
    <div className="grid gap-5">
      <Titled title="Heard of">
        <Timeline label="Heard of" lines={[{ key: "online", segments: lines.online }]} states={ONLINE} range={range} className={ALIGNED} />
      </Titled>
      {series.hasBattery && (
        <Titled title="Battery">
          <TimeChart
            {...common}
            label="Battery"
            series={series.battery}
            thresholds={thresholds}
            least={0}
            most={100}
            height={170}
          />
        </Titled>
      )}
      {series.hasRam && (
        <Titled title="RAM free">
          <TimeChart {...common} label="RAM free" series={series.ram} least={0} height={150} />
        </Titled>
      )}
      {lines.apps.length > 0 && (
        <Titled title={lines.partly ? "App in the foreground (the newest changes only: zoom in for more)" : "App in the foreground"}>
          <Timeline
            label="App in the foreground"
            lines={[{ key: "app", segments: lines.apps }]}
            states={lines.states}
            range={range}
            className={ALIGNED}
          />
        </Titled>
      )}
    </div>
  );
}

export function ChartsCard({ device, lowAt }: { device: Device; lowAt: number | undefined }) {
  const [shown, setShown] = useState<Shown>({ span: "24h", zoom: null });
  const history = useHistory(device.id, shown);
  const read = history.data;
  const choose = (next: [number, number] | null) =>
    setShown((was) => ({ ...was, zoom: next && [Math.floor(next[0]), Math.ceil(next[1])] }));
  const whole = useMemo<Range>(
    () => {
      const whole = read && !shown.zoom && !history.isPlaceholderData;
      return whole ? [epoch(read.from), epoch(read.to)] : rangeOf({ span: shown.span, zoom: null });
    },
    [read, shown, history.isPlaceholderData],
  );
  const zoom = useZoom(shown.zoom ?? whole, whole, choose);
  const range = useMemo<Range>(() => [zoom.shown[0], zoom.shown[1]], [zoom.shown[0], zoom.shown[1]]);
  return (
    <Card className="min-w-0">
      <CardHeader
        title="Over time"
        hint={
          <>
            <span className="pointer-coarse:hidden">Drag over a chart to look closer; or Tab into it, then + and −.</span>
            <span className="hidden pointer-coarse:inline">Spread two fingers on a chart to look closer.</span>
          </>
        }
        actions={
          <Segments
            label="How far back"
            size="sm"
            value={shown.span}
            onChange={(span) => setShown({ span, zoom: null })}
            options={SPAN_NAMES}
          />
        }
      />
      <CardBody className={history.isPlaceholderData ? "opacity-60 transition-opacity" : undefined}>
        <ZoomButtons zoom={zoom} className="mb-3" />
        {history.error ? (
          <Failure error={history.error} retry={() => void history.refetch()} />
        ) : read ? (
          <ZoomArea zoom={zoom} label="Charts over time">
            <Plots device={device} history={read} shown={shown} range={range} lowAt={lowAt} onZoom={choose} />
          </ZoomArea>
        ) : (
          <div className="grid gap-5" aria-busy="true">
            <Skeleton className="h-12" />
            <Skeleton className="h-44" />
            <Skeleton className="h-40" />
          </div>
        )}
      </CardBody>
    </Card>
  );
}
