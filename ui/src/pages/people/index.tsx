// SPDX-License-Identifier: Apache-2.0
import { PageHeader } from "@/app/page-header";

export default function Page() {
  return <PageHeader title="People" />;
}
