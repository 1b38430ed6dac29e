// SPDX-License-Identifier: Apache-2.0
/**
 * A list of any length of which only the pages around the view are in memory. It begins with its first page and its
 * length (`show`), reads the others as the view comes near (`look`) and forgets those that are far.
 *
 * Pages are read at offsets: while rows come and go, a page may repeat a row of its neighbour or lack one. Rows are
 * therefore known by their place, and what shifted is put right when the list is read again.
 */
import { Pace } from "../pace";
import { PAGE_ROWS, pagesInView, pagesTooMany, pagesWanted, readAt, type View } from "./plan";

export interface Page<Row> {
  rows: readonly Row[];
  /** Rows follow behind these. */
  more: boolean;
}

export type ReadPage<Row> = (offset: number, limit: number, signal: AbortSignal) => Promise<Page<Row>>;

interface Kept<Row> {
  rows: readonly (Row | undefined)[];
  /** To be read again, shown until then. */
  stale: boolean;
}

const BURST = 4;
const EVERY_MS = 1500;
const FLIGHTS_MAX = 2;
/** What the appliance gives in one page. */
const RANGE_PAGE_ROWS = 500;

export class SparseStore<Row> {
  version = 0;
  count = 0;
  error: unknown = undefined;
  /** Which list it is; null: none yet. */
  list: unknown = null;
  view: View = { first: 0, end: 0 };

  private read: ReadPage<Row> | null = null;
  private readonly pages = new Map<number, Kept<Row>>();
  private readonly flights = new Map<number, AbortController>();
  private readonly failed = new Set<number>();
  private readonly listeners = new Set<() => void>();
  private readonly pace = new Pace(BURST, EVERY_MS);
  private timer: ReturnType<typeof setTimeout> | null = null;
  private movedAt = 0;
  private missingSince: number | null = null;
  private direction: 1 | -1 = 1;

  constructor(private readonly now: () => number = () => performance.now()) {}

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** The first page and the length of a list. Of the list that is shown already: the others in memory are old now. */
  show(list: unknown, rows: readonly Row[], count: number, read: ReadPage<Row>): void {
    const same = list === this.list;
    this.abort();
    this.list = list;
    this.read = read;
    this.count = Math.max(count, rows.length);
    const seen = new Set(same ? pagesInView(this.view, this.count) : []);
    for (const [page, kept] of this.pages) {
      if (seen.has(page)) kept.stale = true;
      else this.pages.delete(page);
    }
    if (!same) this.view = { first: 0, end: 0 };
    this.pages.set(0, { rows, stale: false });
    this.clearFailures();
    this.publish();
    this.plan();
  }

  at = (index: number): Row | undefined => this.pages.get(Math.floor(index / PAGE_ROWS))?.rows[index % PAGE_ROWS];

  /** What is in view now. */
  look = (first: number, end: number): void => {
    if (first === this.view.first && end === this.view.end) return this.plan();
    this.direction = first < this.view.first ? -1 : 1;
    this.view = { first, end };
    this.movedAt = this.now();
    if (this.failed.size > 0 && !pagesInView(this.view, this.count).some((page) => this.failed.has(page))) {
      this.clearFailures();
      this.publish();
    }
    this.plan();
  };

  /** All rows of a range, those in memory and the others; they are not kept. */
  range = async (first: number, end: number): Promise<readonly Row[]> => {
    const rows: Row[] = [];
    for (let index = first; index < Math.min(end, this.count); ) {
      const row = this.at(index);
      if (row !== undefined) {
        rows.push(row);
        index++;
        continue;
      }
      const limit = Math.min(RANGE_PAGE_ROWS, end - index);
      const page = await this.read?.(index, limit, new AbortController().signal);
      rows.push(...(page?.rows ?? []));
      if (!page?.more) break;
      index += limit;
    }
    return rows;
  };

  /** Their places are empty until the list is read again. True: some of them were in memory. */
  remove(gone: (row: Row) => boolean): boolean {
    let some = false;
    for (const kept of this.pages.values()) {
      if (!kept.rows.some((row) => row !== undefined && gone(row))) continue;
      kept.rows = kept.rows.map((row) => (row !== undefined && gone(row) ? undefined : row));
      some = true;
    }
    if (some) this.publish();
    return some;
  }

  retry = (): void => {
    this.clearFailures();
    this.publish();
    this.plan();
  };

  /** Nobody looks any more. What is in memory stays for who comes back. */
  stop(): void {
    this.abort();
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }

  private abort(): void {
    for (const flight of this.flights.values()) flight.abort();
    this.flights.clear();
  }

  private clearFailures(): void {
    this.failed.clear();
    this.error = undefined;
  }

  private publish(): void {
    this.version++;
    for (const listener of this.listeners) listener();
  }

  private lacks = (page: number): boolean => {
    const kept = this.pages.get(page);
    return (!kept || kept.stale) && !this.flights.has(page) && !this.failed.has(page);
  };

  /** Looks at what is wanted and sets the clock for the next request. */
  private plan(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    const wanted = pagesWanted(this.view, this.direction, this.count);
    for (const [page, flight] of this.flights)
      if (!wanted.includes(page)) {
        flight.abort();
        this.flights.delete(page);
      }
    const next = wanted.find(this.lacks);
    if (next === undefined) this.missingSince = null;
    if (next === undefined || this.flights.size >= FLIGHTS_MAX) return;
    const now = this.now();
    this.missingSince ??= now;
    const inView = pagesInView(this.view, this.count).includes(next);
    const rest = readAt({ movedAt: this.movedAt, missingSince: this.missingSince }) - now;
    const wait = Math.max(rest, this.pace.waitMs(now, inView ? 0 : 1)); // reading ahead leaves one for what comes into view
    if (wait > 0) this.timer = setTimeout(() => this.plan(), wait);
    else void this.fetch(next, now);
  }

  private async fetch(page: number, now: number): Promise<void> {
    if (!this.read) return;
    const flight = new AbortController();
    this.pace.spend(now);
    this.missingSince = null;
    this.flights.set(page, flight);
    this.plan();
    try {
      const answer = await this.read(page * PAGE_ROWS, PAGE_ROWS, flight.signal);
      if (this.flights.get(page) === flight) this.take(page, answer);
    } catch (error) {
      if (this.flights.get(page) !== flight) return; // it was given up: nobody waits for it
      this.failed.add(page);
      this.error = error;
    }
    if (this.flights.get(page) === flight) this.flights.delete(page);
    this.publish();
    this.plan();
  }

  private take(page: number, { rows, more }: Page<Row>): void {
    const end = page * PAGE_ROWS + rows.length;
    if (!more) this.count = Math.min(this.count, end);
    else this.count = Math.max(this.count, end + 1);
    this.pages.set(page, { rows, stale: false });
    for (const far of pagesTooMany(this.pages.keys(), this.view)) this.pages.delete(far);
  }
}
