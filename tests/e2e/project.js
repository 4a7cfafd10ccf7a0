// The project that the tests run on, the stand-in for Supabase: its faults, accounts and table; and the browser.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { chromium } from 'playwright-core'

/** @typedef {{ id: string, seq: number, sender_mongo_id: string, body: string }} Row */
/** @typedef {{ name: string, mongoId: string, id: string, email: string }} Person */

export const PASSWORD = 'a password of the tests'

/** @param {string} name */
export function setting(name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run this by \`cargo xtask test e2e\` or \`cargo xtask chaos\``)
  return value
}

/** The path of the function that sends. */
export const SEND = '/rest/v1/rpc/insert_chat_message*'
export const database = new pg.Pool({ connectionString: setting('DATABASE_URL'), max: 2 })

export const launch = () =>
  chromium.launch({
    executablePath: setting('CHROMIUM'),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })

/**
 * Tries again until `check` passes, and fails as it failed last.
 *
 * @template T
 * @param {() => T | Promise<T>} check
 * @param {number} [within] ms
 * @returns {Promise<T>}
 */
export async function eventually(check, within = 60_000) {
  const end = Date.now() + within
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > end) throw error
    }
    await sleep(25)
  }
}

/**
 * The stand-in's admin port.
 *
 * @param {'GET' | 'POST' | 'DELETE'} method
 * @param {string} path
 * @param {unknown} [body]
 */
export async function admin(method, path, body) {
  const response = await fetch(setting('ADMIN_URL') + path, { method, ...(body !== undefined && { body: JSON.stringify(body) }) })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}

/** @param {object[]} rules */
export const faults = (...rules) => admin('POST', '/faults', rules)

/** As the service role. @param {string} path @param {object} body */
async function supabase(path, body, method = 'POST') {
  const key = setting('SUPABASE_SERVICE_ROLE_KEY')
  const response = await fetch(setting('SUPABASE_URL') + path, {
    method,
    headers: { apikey: key, authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}

/** A new account's id. @param {{ email: string, password: string, app_metadata: object, user_metadata?: object }} account @returns {Promise<string>} */
export const signUp = async (account) => (await supabase('/auth/v1/admin/users', { ...account, email_confirm: true })).id

/** Deletes an account. @param {string} id */
export const signOff = (id) => supabase(`/auth/v1/admin/users/${id}`, {}, 'DELETE')

/**
 * A new account: each test has people of its own, so none sees what another left.
 *
 * @param {string} name
 * @param {object} [metadata] instead of the usual app_metadata
 * @returns {Promise<Person>}
 */
export async function person(name, metadata) {
  const mongoId = randomBytes(12).toString('hex')
  const account = { email: `${mongoId}@example.com`, password: PASSWORD, app_metadata: metadata ?? { mongoUserId: mongoId, name } }
  return { name, mongoId, id: await signUp(account), email: account.email }
}

/** @returns {Promise<[Person, Person]>} */
export const pair = () => Promise.all([person('Ana'), person('Ben')])

/** Links both and makes their thread. @param {Person} a @param {Person} b */
export async function introduce(a, b) {
  await link(a)
  await link(b)
  await ensure(a, b)
}

/** @param {{ mongoId: string, id: string }} person */
export const link = ({ mongoId, id }) => supabase('/rest/v1/rpc/link_chat_identity', { _mongo_id: mongoId, _supabase_id: id })

/** @param {{ mongoId: string }} a @param {{ mongoId: string }} b */
export const ensure = (a, b) => supabase('/rest/v1/rpc/ensure_chat_thread', { _mongo_id_1: a.mongoId, _mongo_id_2: b.mongoId })

/** @param {{ mongoId: string }} a @param {{ mongoId: string }} b */
export const threadId = (a, b) => [a.mongoId, b.mongoId].sort().join('__')

/**
 * Writes messages into their thread, without a browser: by turns, `a` first, or `a`'s alone.
 *
 * @param {Person} a
 * @param {Person} b
 * @param {string[]} bodies
 */
export async function write(a, b, bodies, { byTurns } = { byTurns: true }) {
  await database.query(
    `insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
     select $1, case when own then $2 else $3 end::uuid, case when own then $4 else $5 end, case when own then $5 else $4 end, body
     from (select body, n, n % 2 = 1 or not $7::bool as own from unnest($6::text[]) with ordinality as new (body, n)) new order by n`,
    [threadId(a, b), a.id, b.id, a.mongoId, b.mongoId, bodies, byTurns],
  )
}

/** The thread's rows in order of their numbers. @param {{ mongoId: string }} a @param {{ mongoId: string }} b @returns {Promise<Row[]>} */
export async function rows(a, b) {
  const sql = 'select id, seq::int, sender_mongo_id, body from public.chat_messages where thread_id = $1 order by seq'
  return (await database.query(sql, [threadId(a, b)])).rows
}
