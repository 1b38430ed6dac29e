// SPDX-License-Identifier: Apache-2.0
import { useId, type ComponentProps } from "react";
import { Input } from "@/ui/field";
import { useNames } from "./use-names";

/** A field that offers names and takes any other. */
export function Offering({ names, ...rest }: { names: readonly string[] } & ComponentProps<typeof Input>) {
  const list = useId();
  return (
    <>
      <Input list={list} autoComplete="off" spellCheck={false} {...rest} />
      <datalist id={list}>
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}

/** It offers the names in use. */
export function NameInput({ of, ...rest }: { of: "tags" | "sites" } & ComponentProps<typeof Input>) {
  return <Offering names={useNames(of).map((one) => one.name)} {...rest} />;
}
