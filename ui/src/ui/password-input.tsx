// SPDX-License-Identifier: Apache-2.0
import { Eye, EyeOff } from "lucide-react";
import { useState, type ComponentProps } from "react";
import { cn } from "@/lib/cn";
import { Button } from "./button";
import { Input } from "./field";

export const PASSWORD_CHARS_MIN = 10;

/** What is wrong with a new password before the appliance is asked; null: nothing. */
export function passwordFault(password: string, again: string): string | null {
  if (password.length < PASSWORD_CHARS_MIN) return `At least ${PASSWORD_CHARS_MIN} characters.`;
  if (password !== again) return "The two are not the same.";
  return null;
}

/** Hidden until somebody wants to see what was typed. */
export function PasswordInput({ className, ...rest }: Omit<ComponentProps<"input">, "type">) {
  const [shown, setShown] = useState(false);
  return (
    <div className="relative">
      <Input {...rest} type={shown ? "text" : "password"} spellCheck={false} autoCapitalize="none" className={cn("pr-10", className)} />
      <Button
        variant="ghost"
        size="icon-sm"
        className="absolute inset-y-0 right-0.5 my-auto"
        aria-label={shown ? "Hide the password" : "Show the password"}
        aria-pressed={shown}
        onClick={() => setShown(!shown)}
      >
        {shown ? <EyeOff /> : <Eye />}
      </Button>
    </div>
  );
}
