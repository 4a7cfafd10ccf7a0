// The rows that every request finds, whichever server is asked: written anew before each request that may change them.
import { randomBytes } from 'node:crypto'
import { admin, database, serviceRoleKey, url } from './servers.js'

/** A new account, and a token of it. */
async function person() {
  const mongoId = randomBytes(12).toString('hex')
  const headers = { apikey: serviceRoleKey, authorization: `Bearer ${serviceRoleKey}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ email: `${mongoId}@example.com`, email_confirm: true, app_metadata: { mongoUserId: mongoId } })
  const answer = await fetch(`${url}/auth/v1/admin/users`, { method: 'POST', headers, body })
  const { id } = await answer.json()
  return { id, mongoId, token: await token({ sub: id }) }
}

/** A token as the stand-in signs it (ES256). */
export const token = async (wish) => (await admin('POST', '/tokens', wish)).access_token

export const [ana, ben, eve] = (await Promise.all([person(), person(), person()])).sort((a, b) => (a.mongoId < b.mongoId ? -1 : 1))
export const threadId = `${ana.mongoId}__${ben.mongoId}`
export const messageId = (n) => `10000000-0000-4000-8000-${String(n).padStart(12, '0')}`

/** Eve is a stranger to the thread. */
const people = [ana, ben, eve]

const ROWS = `
truncate public.chat_messages, public.chat_threads, public.chat_identities, public.chat_markers, chat_private.inboxes,
  chat_private.inbox_starts, public.items;
alter table public.chat_messages disable trigger user;
insert into public.chat_identities values ${people.map(({ mongoId, id }) => `('${mongoId}', '${id}')`)};
insert into public.chat_threads (thread_id, user_a_mongo_id, user_b_mongo_id, user_a_supabase_id, user_b_supabase_id, created_at, last_message_at, last_seq, last_rev)
values ('${threadId}', '${ana.mongoId}', '${ben.mongoId}', '${ana.id}', '${ben.id}', '2026-01-01', '2026-01-01T00:00:05Z', 5, 2);
insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, created_at, seq)
values ${[1, 2, 3, 4, 5].map((n) => {
  const [from, to] = n % 2 ? [ana, ben] : [ben, ana]
  const body = n === 3 ? `it''s "three", \\ é 🙂` : `message ${n}`
  return `('${messageId(n)}', '${threadId}', '${from.id}', '${from.mongoId}', '${to.mongoId}', '${body}', '2026-01-01T00:00:0${n}.${n}Z', ${n})`
})};
-- The third answers the second and has a reaction; the fifth is unsent. Old ones can be edited, and no longer unsent.
update public.chat_messages set reply_to = 2, reaction_a = '🙂', rev = 1 where seq = 3;
update public.chat_messages set body = '', deleted_at = '2026-01-02', rev = 2 where seq = 5;
update public.chat_limits set edit_window = null;
alter table public.chat_messages enable trigger user;
insert into public.items (id, name, parent, owner, note, data, at) values
  (1, 'one', null, '${ana.id}', 'first', '{"a": {"b": [1, 2]}, "n": 9007199254740993}', '2026-01-01T10:00:00.5Z'),
  (2, 'two, "quoted"', 1, '${ana.id}', null, '[1]', '2026-01-02T10:00:00Z'),
  (3, 'three', 1, '${ben.id}', 'null', null, null);
`

export const reset = () => database.query(ROWS)

/** Every row there is, without what differs from one run to the next. */
export async function snapshot() {
  // Not by an id first: that of a message sent without one is drawn, and would order the two servers' rows differently.
  const tables = ['chat_identities', 'chat_threads', 'chat_messages', 'chat_markers', 'items']
  const rows = tables.map((table) => `'${table}', (select coalesce(jsonb_agg(to_jsonb(t) order by (to_jsonb(t) - 'id')::text, to_jsonb(t)::text), '[]') from public.${table} t)`)
  return (await database.query(`select jsonb_build_object(${rows}) as all`)).rows[0].all
}
