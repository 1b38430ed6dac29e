// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "react";

const TYPING_MS = 300;

/**
 * What is typed into a field whose value lives elsewhere (the address): the field has its own word until
 * typing rests, so that no key is lost to a change that comes back late. What changes there shows here.
 */
export function useDraft(value: string, keep: (value: string) => void): [draft: string, type: (text: string) => void] {
  const [draft, setDraft] = useState(value);
  const known = useRef(value); // what is there, or on its way there
  const latest = useRef(keep);
  useEffect(() => {
    latest.current = keep;
  });
  useEffect(() => {
    if (value === known.current) return;
    known.current = value;
    setDraft(value);
  }, [value]);
  useEffect(() => {
    if (draft === known.current) return;
    const timer = setTimeout(() => {
      known.current = draft;
      latest.current(draft);
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [draft]);
  return [draft, setDraft];
}
