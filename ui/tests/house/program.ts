// SPDX-License-Identifier: Apache-2.0
/** Programs beside musterd: the load generator and the real agent. Whoever starts one ends it. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { binDir, type Appliance } from "./appliance";

export interface Running {
  /** Its exit code, when it has ended by itself. */
  ended: Promise<number | null>;
  stop: () => Promise<void>;
}

function running(child: ChildProcess, what: string): Running {
  const ended = once(child, "exit").then(([code]) => code as number | null);
  child.on("error", (error) => {
    throw new Error(`${what}: ${error.message}`);
  });
  return {
    ended,
    stop: async () => {
      if (child.exitCode === null && !child.signalCode) child.kill("SIGTERM");
      await ended;
    },
  };
}

/** The tests' own settings are nothing to a program beside the appliance. */
const withoutSettings = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("MUSTER_")));

/** The load generator: `load(appliance, "steady", { devices: 200, interval: "10s", duration: "60s" })`. */
export function load(appliance: Appliance, scenario: string, options: Record<string, string | number | true>): Running {
  const given: Record<string, string | number | true> = { "devices-file": join(appliance.home, "devices"), ...options };
  const words = Object.entries(given).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)]));
  const child = spawn(
    join(binDir(), "muster-loadgen"),
    [scenario, "--url", appliance.url, "--admin-key-file", appliance.adminKeyFile, "--quiet", ...words],
    {
      stdio: "ignore",
    },
  );
  return running(child, "muster-loadgen");
}

/** What a program that ran to its end said, on both outputs. */
export interface Ended {
  code: number | null;
  said: string;
}

/** The real agent, with a configuration and a queue of its own. */
export class Agent {
  readonly stateDir: string;
  #run: Running | null = null;

  constructor(appliance: Appliance, name: string) {
    this.stateDir = join(appliance.home, `agent-${name}`);
    mkdirSync(this.stateDir, { recursive: true });
  }

  get options(): string[] {
    return ["--config", join(this.stateDir, "agent.json"), "--state-dir", join(this.stateDir, "state")];
  }

  /** `command` is what the console says to run; it runs in a shell, as a person would paste it. */
  async paste(command: string): Promise<Ended> {
    const quoted = [join(binDir(), "muster-agent"), "enroll", ...this.options].map((word) => `'${word}'`).join(" ");
    const own = command.replace("muster-agent enroll", () => quoted);
    if (own === command) throw new Error(`this does not enrol an agent: ${command}`);
    const child = spawn("bash", ["-c", own], { stdio: ["ignore", "pipe", "pipe"], env: withoutSettings() });
    let said = "";
    for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", (text: string) => (said += text));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, said };
  }

  async enrol(command: string): Promise<void> {
    const { code, said } = await this.paste(command);
    if (code !== 0) throw new Error(`the agent's enrolment ended with ${code}: ${said}`);
  }

  start(): void {
    this.#run = running(
      spawn(join(binDir(), "muster-agent"), ["run", ...this.options], { stdio: "ignore", env: withoutSettings() }),
      "muster-agent",
    );
  }

  async stop(): Promise<void> {
    await this.#run?.stop();
    this.#run = null;
  }
}
