// SPDX-License-Identifier: Apache-2.0
/** What a device sent with its answer: an image, lines of a log, or whatever it is, as JSON. */
import { Download, Maximize2 } from "lucide-react";
import { useState } from "react";
import { saveAs } from "@/lib/csv-download";
import { Button } from "@/ui/button";
import { CodeBlock } from "@/ui/copy-button";
import { Dialog } from "@/ui/dialog";

interface Image {
  media_type: string;
  data: string;
  user_notified?: boolean;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

export function imageOf(result: unknown): Image | null {
  if (!isObject(result)) return null;
  const { media_type, data } = result;
  if (typeof data !== "string" || typeof media_type !== "string") return null;
  if (!/^image\/(jpeg|png|webp)$/.test(media_type) || !/^[A-Za-z0-9+/]+=*$/.test(data)) return null;
  return { media_type, data, user_notified: typeof result["user_notified"] === "boolean" ? result["user_notified"] : undefined };
}

function lineOf(event: unknown): string {
  if (typeof event === "string") return event;
  if (!isObject(event)) return JSON.stringify(event);
  const { at, ts = typeof at === "number" ? new Date(at * 1000).toISOString() : at, level, event: name, ...rest } = event;
  const details = Object.entries(rest).map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return [ts, level, name, ...details].filter((part) => part !== undefined).join("  ");
}

/** Lines of a log, or null where it is none. */
export function linesOf(result: unknown): string[] | null {
  if (typeof result === "string") return result.split("\n");
  if (!isObject(result)) return null;
  for (const name of ["events", "lines", "log", "logs"]) {
    const found = result[name];
    if (typeof found === "string") return found.split("\n");
    if (Array.isArray(found)) return found.map(lineOf);
  }
  return null;
}

const TOLD: Record<string, string> = { true: "Whoever uses the device was told.", false: "Nobody was told: nobody was there." };

function save(image: Image, name: string): void {
  const bytes = Uint8Array.from(atob(image.data), (letter) => letter.charCodeAt(0));
  saveAs(new Blob([bytes], { type: image.media_type }), `${name}.${image.media_type.split("/")[1]}`);
}

/** A picture that fits; a click shows it as large as the window is. */
function ImageView({ image, name, device }: { image: Image; name: string; device: string }) {
  const [large, setLarge] = useState(false);
  const [size, setSize] = useState<string | null>(null);
  const [broken, setBroken] = useState(false);
  const source = `data:${image.media_type};base64,${image.data}`;
  const words = `The screen of ${device}`;
  if (broken)
    return (
      <p className="rounded-control bg-warn-soft px-3 py-2 text-sm">
        The device sent a picture that can't be shown: it is no whole {image.media_type}.
      </p>
    );
  return (
    <figure className="grid gap-2">
      <button
        type="button"
        aria-label="Show it large"
        className="cursor-zoom-in overflow-hidden rounded-control border border-line bg-surface-2"
        onClick={() => setLarge(true)}
      >
        <img
          src={source}
          alt={words}
          className="mx-auto max-h-[50vh] object-contain"
          onError={() => setBroken(true)}
          onLoad={(event) => setSize(`${event.currentTarget.naturalWidth} × ${event.currentTarget.naturalHeight}`)}
        />
      </button>
      <figcaption className="flex flex-wrap items-center gap-x-3 gap-y-1 text-xs text-ink-3">
        <span className="tabular">{size}</span>
        <span>{TOLD[String(image.user_notified)]}</span>
        <span className="ml-auto flex gap-1.5">
          <Button size="sm" onClick={() => setLarge(true)}>
            <Maximize2 />
            Large
          </Button>
          <Button size="sm" onClick={() => save(image, name)}>
            <Download />
            Save
          </Button>
        </span>
      </figcaption>
      <Dialog
        open={large}
        onOpenChange={setLarge}
        title={words}
        className="top-[3vh] max-h-[94vh] max-w-[96vw]"
        footer={
          <Button onClick={() => save(image, name)}>
            <Download />
            Save
          </Button>
        }
      >
        <img src={source} alt={words} className="mx-auto max-w-full" />
      </Dialog>
    </figure>
  );
}

export function ResultView({ result, name, device }: { result: unknown; name: string; device: string }) {
  const image = imageOf(result);
  if (image) return <ImageView image={image} name={name} device={device} />;
  const lines = linesOf(result);
  if (lines?.length === 0) return <p className="text-sm text-ink-2">The log has nothing of that time.</p>;
  const text = lines ? lines.join("\n") : JSON.stringify(result, null, 2);
  return <CodeBlock text={text} label="Copy the result" className="max-h-96 overflow-auto" />;
}
