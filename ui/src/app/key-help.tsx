// SPDX-License-Identifier: Apache-2.0
import { Dialog } from "@/ui/dialog";
import { Kbd } from "@/ui/kbd";
import { PAGE_KEYS, SHORTCUTS, type Shortcut } from "./keys";
import { PAGES } from "./nav";

function Keys({ title, entries }: { title: string; entries: Shortcut[] }) {
  return (
    <section>
      <h3 className="mb-1.5 text-xs font-semibold tracking-wide text-ink-3 uppercase">{title}</h3>
      <dl className="divide-y divide-line">
        {entries.map((entry) => (
          <div key={entry.does} className="flex items-center justify-between gap-4 py-1.5">
            <dt className="text-sm">{entry.does}</dt>
            <dd className="flex shrink-0 gap-1">
              {entry.keys.map((key) => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

export default function KeyHelp({ onClose }: { onClose: () => void }) {
  const pages = Object.entries(PAGE_KEYS).flatMap(([key, path]) => {
    const page = PAGES.find((one) => one.path === path);
    return page ? [{ keys: ["g", key], does: page.label }] : [];
  });
  return (
    <Dialog open onOpenChange={onClose} title="Keys" className="max-w-3xl">
      <div role="group" aria-label="Keys" tabIndex={0} className="grid gap-x-10 gap-y-6 md:grid-cols-2">
        <div className="grid content-start gap-6">
          {SHORTCUTS.map((group) => (
            <Keys key={group.title} {...group} />
          ))}
        </div>
        <Keys title="Go to a page" entries={pages} />
      </div>
    </Dialog>
  );
}
