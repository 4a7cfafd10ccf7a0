// What every test here needs: the environment that `cargo xtask test supabase-js` gives, people, and their clients.
import { createClient } from '@supabase/supabase-js'
import { randomBytes } from 'node:crypto'
import WebSocket from 'ws'

export function setting(name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run these tests by \`cargo xtask test supabase-js\``)
  return value
}

export const url = setting('SUPABASE_URL')
export const anonKey = setting('SUPABASE_ANON_KEY')
export const serviceRoleKey = setting('SUPABASE_SERVICE_ROLE_KEY')
export const adminUrl = setting('ADMIN_URL')
export const password = 'a password of the tests'

const open = []

export function client(key = anonKey, { vsn, ...options } = {}) {
  const made = createClient(url, key, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: WebSocket, ...(vsn && { vsn }) },
    ...options,
  })
  open.push(made)
  return made
}

/** Ends what keeps Node alive. */
export async function closeAll() {
  for (const made of open.splice(0)) {
    await made.removeAllChannels()
    made.realtime.disconnect()
  }
}

/** A new account, linked to a Mongo id, and a client that is signed in as it. */
export async function person(options) {
  const mongoId = randomBytes(12).toString('hex')
  const email = `${mongoId}@example.com`
  const service = client(serviceRoleKey)
  const { data, error } = await service.auth.admin.createUser({
    email,
    password,
    email_confirm: true,
    app_metadata: { mongoUserId: mongoId },
  })
  if (error) throw error
  await rpc(service, 'link_chat_identity', { _mongo_id: mongoId, _supabase_id: data.user.id })
  const me = client(anonKey, options)
  const signedIn = await me.auth.signInWithPassword({ email, password })
  if (signedIn.error) throw signedIn.error
  return { id: data.user.id, mongoId, email, client: me, session: signedIn.data.session }
}

export async function rpc(as, name, args) {
  const { data, error } = await as.rpc(name, args)
  if (error) throw Object.assign(new Error(`${name}: ${error.message}`), { cause: error })
  return data
}

/** Two people with a thread. */
export async function pair(options) {
  const [a, b] = await Promise.all([person(options), person(options)])
  const thread = await rpc(client(serviceRoleKey), 'ensure_chat_thread', {
    _mongo_id_1: a.mongoId,
    _mongo_id_2: b.mongoId,
  })
  return { a, b, threadId: thread.thread_id }
}

export function say(from, to, threadId, body, id) {
  return rpc(from.client, 'insert_chat_message', {
    _thread_id: threadId,
    _sender_mongo_id: from.mongoId,
    _recipient_mongo_id: to.mongoId,
    _body: body,
    ...(id && { _id: id }),
  })
}

/** Joins and resolves with the first status that says how it went. */
export function join(channel) {
  return new Promise((resolve) => {
    channel.subscribe((status, error) => resolve({ status, error }))
  })
}

export async function until(condition, what, limit = 60_000) {
  const end = Date.now() + limit
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited ${limit} ms in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export async function admin(method, path, body) {
  const response = await fetch(adminUrl + path, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  return response.status === 204 ? null : response.json()
}
