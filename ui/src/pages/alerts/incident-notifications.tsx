// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { api } from "@/api/client";
import { Failure, Skeleton } from "@/ui/states";
import { NotificationList } from "./notification-list";

const PAGE = 100;

/** Who was told of it, and how that went. */
export function IncidentNotifications({ id }: { id: string }) {
  const query = useQuery({
    queryKey: ["alerts", "told-of", id],
    queryFn: ({ signal }) => api.get("/admin/incidents/{id}/notifications", { path: { id }, query: { limit: PAGE }, signal }),
  });
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (!query.data) return <Skeleton className="h-32" />;
  return (
    <NotificationList
      notifications={query.data.notifications}
      empty="Nobody was told: no channel takes this rule and severity, or there is none."
    />
  );
}
