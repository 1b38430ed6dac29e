// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "react";

/** The value once it has stood still for `ms`. */
export function useDebounced<Value>(value: Value, ms = 250): Value {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
