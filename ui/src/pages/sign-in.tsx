// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "react";
import { ForgottenForm, ResetForm, SignInForm } from "./sign-in/forms";

type Step = "sign-in" | "forgotten" | "reset";

const RESET_PATH = "/reset";

/** The address in a reset mail ends with #code: a part that no server and no proxy's log gets to see. */
function codeOfAddress(): string {
  return window.location.pathname === RESET_PATH ? decodeURIComponent(window.location.hash.slice(1)) : "";
}

export function SignInPage() {
  const [code] = useState(codeOfAddress);
  const [step, setStep] = useState<Step>(() => (window.location.pathname === RESET_PATH ? "reset" : "sign-in"));
  const [note, setNote] = useState<string | null>(null);

  useEffect(() => {
    document.title = "Sign in · Muster";
    if (window.location.pathname === RESET_PATH) window.history.replaceState(null, "", "/"); // nor shall the history keep it
  }, []);

  const back = () => setStep("sign-in");
  const done = () => {
    setNote("Your password is set. Sign in with it.");
    setStep("sign-in");
  };
  if (step === "forgotten") return <ForgottenForm onCode={() => setStep("reset")} onBack={back} />;
  if (step === "reset") return <ResetForm code={code} onDone={done} onBack={back} />;
  return <SignInForm note={note} onForgotten={() => setStep("forgotten")} />;
}
