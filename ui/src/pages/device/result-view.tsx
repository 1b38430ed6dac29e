// SPDX-License-Identifier: Apache-2.0
/** What a device sent with its answer: an image, lines of a log, or whatever it is, as JSON. */
import { Download } from "lucide-react";
import { saveAs } from "@/lib/csv-download";
import { Button } from "@/ui/button";
import { CodeBlock } from "@/ui/copy-button";

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

function ImageView({ image, name }: { image: Image; name: string }) {
  const save = () => {
    const bytes = Uint8Array.from(atob(image.data), (letter) => letter.charCodeAt(0));
    saveAs(new Blob([bytes], { type: image.media_type }), `${name}.${image.media_type.split("/")[1]}`);
  };
  return (
    <figure className="grid gap-2">
      <img src={`data:${image.media_type};base64,${image.data}`} alt="The device's screen" className="max-h-[60vh] w-full rounded-control border border-line bg-surface-2 object-contain" />
      <figcaption className="flex items-center justify-between gap-3 text-xs text-ink-3">
        {image.user_notified === undefined ? "" : image.user_notified ? "Whoever uses the device was told." : "Nobody was told: nobody was there."}
        <Button size="sm" onClick={save}>
          <Download />
          Save
        </Button>
      </figcaption>
    </figure>
  );
}

export function ResultView({ result, name }: { result: unknown; name: string }) {
  const image = imageOf(result);
  if (image) return <ImageView image={image} name={name} />;
  const lines = linesOf(result);
  if (lines?.length === 0) return <p className="text-sm text-ink-2">The log has nothing of that time.</p>;
  const text = lines ? lines.join("\n") : JSON.stringify(result, null, 2);
  return <CodeBlock text={text} label="Copy the result" className="max-h-96 overflow-auto" />;
}
