// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { Ban, Ellipsis, KeyRound, LockOpen, LogOut, Pen, Trash2, UserCheck, Users as UsersIcon } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { api } from "@/api/client";
import { useKeyset } from "@/lib/keyset";
import { useFilter } from "@/lib/use-filter";
import { useSession } from "@/session/session";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Confirm } from "@/ui/dialog";
import { Menu, MenuItem, MenuLine } from "@/ui/menu";
import { SearchBox } from "@/ui/search-box";
import { Empty } from "@/ui/states";
import { Time, useNow } from "@/ui/time";
import { toast } from "@/ui/toast";
import { RoleBadge } from "./role";
import { CodeDialog, EditUser, USERS_KEY, type Code, type User } from "./user-forms";

type Asked = "disable" | "delete" | "end-sessions" | "reset";

function State({ user }: { user: User }) {
  const locked = user.locked_until !== null && new Date(user.locked_until).getTime() > useNow();
  if (user.disabled) return <Badge tone="bad">disabled</Badge>;
  if (locked)
    return (
      <Badge tone="warn">
        locked, opens <Time at={user.locked_until} />
      </Badge>
    );
  if (!user.last_login_at) return <Badge>never signed in</Badge>;
  return <Badge tone="ok">active</Badge>;
}

function Name({ user, self }: { user: User; self: boolean }) {
  return (
    <span className="flex min-w-0 items-center gap-3">
      <span
        aria-hidden
        className="grid size-7 shrink-0 place-items-center rounded-full bg-accent-soft text-xs font-semibold text-accent uppercase"
      >
        {user.username.slice(0, 2)}
      </span>
      <span className="truncate font-medium">{user.username}</span>
      {self && <Badge tone="accent">you</Badge>}
    </span>
  );
}

interface ActionsProps {
  user: User;
  self: boolean;
  onEdit: (user: User) => void;
  onAsk: (asked: Asked, user: User) => void;
  onRun: (what: "unlock" | "enable", user: User) => void;
}

function Actions({ user, self, onEdit, onAsk, onRun }: ActionsProps) {
  return (
    <Menu
      trigger={
        <Button variant="ghost" size="icon-sm" aria-label={`Actions for ${user.username}`}>
          <Ellipsis />
        </Button>
      }
    >
      <MenuItem icon={Pen} onSelect={() => onEdit(user)}>
        Role and e-mail
      </MenuItem>
      <MenuItem icon={KeyRound} onSelect={() => onAsk("reset", user)}>
        One-time code
      </MenuItem>
      <MenuItem icon={LogOut} onSelect={() => onAsk("end-sessions", user)}>
        Sign out everywhere
      </MenuItem>
      {user.locked_until && (
        <MenuItem icon={LockOpen} onSelect={() => onRun("unlock", user)}>
          Unlock
        </MenuItem>
      )}
      {!self && (
        <>
          <MenuLine />
          {user.disabled ? (
            <MenuItem icon={UserCheck} onSelect={() => onRun("enable", user)}>
              Let in again
            </MenuItem>
          ) : (
            <MenuItem icon={Ban} danger onSelect={() => onAsk("disable", user)}>
              Disable
            </MenuItem>
          )}
          <MenuItem icon={Trash2} danger onSelect={() => onAsk("delete", user)}>
            Delete
          </MenuItem>
        </>
      )}
    </Menu>
  );
}

const idOf = (user: User) => user.id;
const nameOf = (user: User) => user.username;
const Muted = ({ children }: { children: string }) => <span className="text-ink-3">{children}</span>;

const emailCell = (user: User) => <span className="truncate">{user.email ?? <Muted>none</Muted>}</span>;

function columns(actions: Omit<ActionsProps, "user" | "self">, me: string | undefined): Column<User>[] {
  return [
    { id: "name", title: "User", grow: 2, width: 180, always: true, cell: (user) => <Name user={user} self={user.id === me} /> },
    { id: "role", title: "Role", width: 110, cell: (user) => <RoleBadge role={user.role} /> },
    { id: "state", title: "State", width: 190, cell: (user) => <State user={user} /> },
    { id: "email", title: "E-mail", grow: 2, width: 160, cell: emailCell },
    { id: "login", title: "Last sign-in", width: 124, cell: (user) => <Time at={user.last_login_at} otherwise="never" /> },
    { id: "made", title: "Made", width: 116, cell: (user) => <Time at={user.created_at} /> },
    { id: "do", title: "Actions", width: 84, align: "end", cell: (user) => <Actions {...actions} user={user} self={user.id === me} /> },
  ];
}

function UserCard(props: ActionsProps) {
  const { user, self } = props;
  return (
    <div className="grid gap-2">
      <div className="flex items-center justify-between gap-2">
        <Name user={user} self={self} />
        <Actions {...props} />
      </div>
      <div className="flex flex-wrap items-center gap-2 text-xs text-ink-3">
        <RoleBadge role={user.role} />
        <State user={user} />
        <span className="truncate">{user.email}</span>
      </div>
    </div>
  );
}

function NoUsers({ q, onAll }: { q: string | undefined; onAll: () => void }) {
  if (!q) return <Empty icon={UsersIcon} title="No users" />;
  return (
    <Empty icon={UsersIcon} title={`Nobody has “${q}” in name or e-mail`} action={<Button onClick={onAll}>Show all users</Button>} />
  );
}

const QUESTIONS: Record<Asked, { title: (name: string) => string; description: string; action: string; danger: boolean }> = {
  disable: {
    title: (name) => `Shut ${name} out?`,
    description:
      "All sessions end at once, and signing in is refused until you let the user in again. API tokens of the user stop too.",
    action: "Disable",
    danger: true,
  },
  delete: {
    title: (name) => `Delete ${name} for good?`,
    description: "With all sessions and API tokens. What the user has done stays in the audit log. This can't be undone.",
    action: "Delete",
    danger: true,
  },
  "end-sessions": {
    title: (name) => `Sign ${name} out everywhere?`,
    description: "On every device. The password stays, and signing in again is possible at once.",
    action: "Sign out",
    danger: false,
  },
  reset: {
    title: (name) => `Make a one-time code for ${name}?`,
    description: "With it a new password can be set, once. The old password stays good until then.",
    action: "Create the code",
    danger: false,
  },
};

const FILTER = ["q"] as const;

const DONE = { disable: "is shut out.", delete: "was deleted.", "end-sessions": "was signed out everywhere." };

/** What was asked for, carried out; a code if one was made. */
async function carryOut(asked: Asked, user: User): Promise<Code | null> {
  const path = { id: user.id };
  if (asked === "reset") {
    const { token } = await api.post("/admin/users/{id}/reset-token", { path });
    return { username: user.username, token };
  }
  if (asked === "disable") await api.patch("/admin/users/{id}", { path, body: { disabled: true } });
  else if (asked === "delete") await api.delete("/admin/users/{id}", { path });
  else await api.post("/admin/users/{id}/end-sessions", { path });
  toast.ok(`${user.username} ${DONE[asked]}`);
  return null;
}

/** What is done at once, without a question. */
function useRun() {
  const queries = useQueryClient();
  return useCallback(
    async (what: "unlock" | "enable", user: User) => {
      try {
        const path = { id: user.id };
        if (what === "unlock") await api.post("/admin/users/{id}/unlock", { path });
        else await api.patch("/admin/users/{id}", { path, body: { disabled: false } });
        toast.ok(what === "unlock" ? `${user.username} can sign in again at once.` : `${user.username} may sign in again.`);
        await queries.invalidateQueries({ queryKey: USERS_KEY });
      } catch (error) {
        toast.failed(error);
      }
    },
    [queries],
  );
}

export function Users() {
  const queries = useQueryClient();
  const run = useRun();
  const { user: me } = useSession();
  const [editing, setEditing] = useState<User | null>(null);
  const [question, setQuestion] = useState<{ asked: Asked; user: User } | null>(null);
  const [code, setCode] = useState<Code | null>(null);
  const [filter, setFilter] = useFilter(FILTER);
  const list = useKeyset([...USERS_KEY, filter], async (after, signal) => {
    const page = await api.get("/admin/users", { query: { q: filter.q, after, limit: 200 }, signal });
    return { rows: page.users, next: page.next };
  });
  const actions = useMemo(
    () => ({
      onEdit: setEditing,
      onAsk: (asked: Asked, user: User) => setQuestion({ asked, user }),
      onRun: (what: "unlock" | "enable", user: User) => void run(what, user),
    }),
    [run],
  );
  const cells = useMemo(() => columns(actions, me?.id), [actions, me?.id]);
  const words = question && QUESTIONS[question.asked];
  const confirm = async () => {
    if (!question) return;
    setCode(await carryOut(question.asked, question.user));
    await queries.invalidateQueries({ queryKey: USERS_KEY });
  };
  return (
    <>
      <SearchBox
        label="Search users"
        placeholder="Name or e-mail"
        className="mb-3 sm:max-w-sm"
        value={filter.q ?? ""}
        onChange={(q) => setFilter({ q })}
      />
      <Card className="overflow-hidden">
        <DataTable
          label="Users"
          columns={cells}
          rows={list.rows}
          rowId={idOf}
          rowName={nameOf}
          {...list.table}
          renderCard={(user) => <UserCard {...actions} user={user} self={user.id === me?.id} />}
          empty={<NoUsers q={filter.q} onAll={() => setFilter({ q: "" })} />}
        />
      </Card>
      <EditUser user={editing} onDone={() => setEditing(null)} />
      <CodeDialog code={code} onDone={() => setCode(null)} />
      <Confirm
        open={question !== null}
        onOpenChange={(open) => !open && setQuestion(null)}
        title={words && question ? words.title(question.user.username) : ""}
        description={words?.description}
        action={words?.action ?? ""}
        danger={words?.danger}
        typeToConfirm={question?.asked === "delete" ? question.user.username : undefined}
        onConfirm={confirm}
      />
    </>
  );
}
