// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "@/api/types";

export type RuleName = NonNullable<Schema<"AlertSubscriptionValues">["rules"]>[number];

/** The alert rules by their names for people, those of devices first. */
export const RULES: { value: RuleName; label: string }[] = [
  { value: "offline", label: "Device offline" },
  { value: "low_battery", label: "Low battery" },
  { value: "service_down", label: "Service down" },
  { value: "agent_outdated", label: "Agent outdated" },
  { value: "clock_skew", label: "Clock skew" },
  { value: "queue_depth", label: "Queue depth" },
  { value: "journal_backlog", label: "Journal backlog" },
  { value: "disk", label: "Disk space" },
  { value: "database_away", label: "Database away" },
  { value: "partition_missing", label: "Partition missing" },
  { value: "backup_age", label: "Backup too old" },
  { value: "rejects", label: "Rejected heartbeats" },
  { value: "job_failing", label: "Job failing" },
];
