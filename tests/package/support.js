// The packed package, the people and the browser of these tests.
import { randomBytes } from 'node:crypto'
import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { chromium } from 'playwright-core'
import { run } from './hosts.js'

/** @param {string} name */
export function setting(name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run these tests by \`cargo xtask test package\``)
  return value
}

export const APPS = join(import.meta.dirname, 'apps')
const PACKAGE = resolve(import.meta.dirname, '../../pkg')

export const launch = () =>
  chromium.launch({
    executablePath: setting('CHROMIUM'),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })

/** `npm pack` and `npm install`, once. Answers a maker of fresh apps. */
export async function packed() {
  await rm(APPS, { recursive: true, force: true })
  const first = join(APPS, 'installed')
  await project(first, {})
  await run('npm', ['pack', PACKAGE, '--pack-destination', APPS, '--silent'], { cwd: APPS })
  await npm(first, '../chopped-chat-0.1.0.tgz')
  return async (/** @type {string} */ name, /** @type {Install} */ install = 'packed') => {
    const dir = join(APPS, name.replace(/\W+/g, '-').toLowerCase())
    await INSTALLS[install](dir, first)
    return install === 'packed' ? dir : join(dir, 'app')
  }
}

/** @typedef {keyof typeof INSTALLS} Install */
const INSTALLS = {
  packed: (/** @type {string} */ dir, /** @type {string} */ first) => cp(first, dir, { recursive: true }),
  /** `npm i ../pkg`: a link to a folder outside of the app. */
  async linked(/** @type {string} */ dir) {
    await project(join(dir, 'app'), {})
    await cp(PACKAGE, join(dir, 'pkg'), { recursive: true })
    await npm(join(dir, 'app'), '../pkg')
  },
  /** The app and the package are workspaces of one project. */
  async workspace(/** @type {string} */ dir) {
    await project(dir, { workspaces: ['app', 'pkg'] })
    await project(join(dir, 'app'), { name: 'app', version: '1.0.0', dependencies: { 'chopped-chat': '*' } })
    await cp(PACKAGE, join(dir, 'pkg'), { recursive: true })
    await npm(dir)
  },
}

/** @param {string} dir @param {object} fields */
export async function project(dir, fields) {
  await mkdir(dir, { recursive: true })
  await writeFile(join(dir, 'package.json'), JSON.stringify({ private: true, type: 'module', ...fields }))
}

/** The package has no dependencies: nothing is fetched. Peers are the app's own. @param {string} dir @param {string[]} what */
export const npm = (dir, ...what) =>
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', '--legacy-peer-deps', ...what], { cwd: dir })

/** @param {string} method @param {string} path @param {unknown} body @param {string} [key] @param {string} [token] */
async function request(method, path, body, key = setting('SUPABASE_SERVICE_ROLE_KEY'), token = key) {
  const response = await fetch(setting('SUPABASE_URL') + path, {
    method,
    headers: { apikey: key, authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return text ? JSON.parse(text) : undefined
}

/** @param {string} path @param {unknown} body @param {string} [key] @param {string} [token] */
const post = (path, body, key, token) => request('POST', path, body, key, token)

async function person() {
  const mongoId = randomBytes(12).toString('hex')
  const email = `${mongoId}@example.com`
  const { id } = await post('/auth/v1/admin/users', { email, password: 'chopped-test', email_confirm: true, app_metadata: { mongoUserId: mongoId } })
  await post('/rest/v1/rpc/link_chat_identity', { _mongo_id: mongoId, _supabase_id: id })
  const session = await post('/auth/v1/token?grant_type=password', { email, password: 'chopped-test' }, setting('SUPABASE_ANON_KEY'))
  return { mongoId, token: session.access_token, session }
}

/** @param {string} name @param {object} body @param {{ token: string }} person who calls it */
const rpc = (name, body, { token }) => post(`/rest/v1/rpc/${name}`, body, setting('SUPABASE_ANON_KEY'), token)

/** Changes the installation's limits, such as `edit_window`, for everybody. @param {object} limits */
export const limit = (limits) => request('PATCH', '/rest/v1/chat_limits?id=eq.true', limits)

/** What `person` does to messages from a device without our package. @param {Person} person */
const changes = (person) => ({
  edits: (/** @type {string} */ id, /** @type {string} */ body) => rpc('edit_chat_message', { _id: id, _body: body }, person),
  unsends: (/** @type {string} */ id) => rpc('unsend_chat_message', { _id: id }, person),
  reacts: (/** @type {string} */ id, /** @type {string | null} */ emoji) => rpc('react_chat_message', { _id: id, _emoji: emoji }, person),
})

/** Two people with a thread, and what the other one does from elsewhere. @typedef {Awaited<ReturnType<typeof person>>} Person @param {Person} me */
async function conversation(me) {
  const other = await person()
  const { thread_id } = await post('/rest/v1/rpc/ensure_chat_thread', { _mongo_id_1: me.mongoId, _mongo_id_2: other.mongoId })
  const say = (/** @type {Person} */ from, /** @type {Person} */ to, /** @type {string} */ body, /** @type {number | undefined} */ replyTo) => {
    const people = { _thread_id: thread_id, _sender_mongo_id: from.mongoId, _recipient_mongo_id: to.mongoId }
    // Left out where there is none: an earlier sql/ has no such argument.
    return rpc('insert_chat_message', { ...people, _body: body, _reply_to: replyTo }, from)
  }
  const mark = (/** @type {object} */ progress, receipts = true) =>
    rpc('mark_chat', { _marks: [{ thread_id, ...progress }], _receipts: receipts }, other)
  /** How far the first one has come, as the other one is told. @returns {Promise<number>} */
  const readByMe = async () => {
    const { threads } = await rpc('list_chat_threads', {}, other)
    return threads.find((/** @type {{ thread_id: string }} */ line) => line.thread_id === thread_id).other_read
  }
  const says = (/** @type {string} */ body, /** @type {number} */ replyTo) => say(other, me, body, replyTo)
  /** From another device of the first one. */
  const hears = (/** @type {string} */ body) => say(me, other, body)
  const isErased = () => post('/rest/v1/rpc/erase_chat_person', { _mongo_id: other.mongoId })
  /** The thread as the database has it. @returns {Promise<{ last_rev: number, messages: Record<string, any>[] }>} */
  const table = async () => {
    const page = await rpc('list_chat_page', { _thread_id: thread_id, _limit: 1000 }, other)
    return { ...page, messages: page.messages.reverse() }
  }
  return { threadId: thread_id, other: { ...other, ...changes(other), says, hears, mark, readByMe, isErased, table, mine: changes(me) } }
}

const optionsOf = (/** @type {Person} */ me) => ({
  supabaseUrl: setting('SUPABASE_URL'),
  supabaseAnonKey: setting('SUPABASE_ANON_KEY'),
  myMongoId: me.mongoId,
  token: me.token,
})

/** Two people with a thread: the options of the first one's page, and how the other one writes. */
export async function thread() {
  const me = await person()
  const { threadId, other } = await conversation(me)
  return { options: { ...optionsOf(me), otherMongoId: other.mongoId }, threadId, me, other }
}

/** A person with so many threads: the options of their page, and the others. @param {number} count */
export async function threads(count) {
  const me = await person()
  const all = []
  for (let n = 0; n < count; n++) all.push(await conversation(me))
  return { options: optionsOf(me), others: all.map(({ other, threadId }) => ({ ...other, threadId })) }
}

/**
 * What JavaScript holds after a collection: bytes, and how many objects and functions. The bytes go on growing a little for
 * a while in any page, by compiled code and by what DevTools and the performance timeline keep of requests and layouts.
 *
 * @param {import('playwright-core').Page} page
 */
export async function held(page) {
  const session = await page.context().newCDPSession(page)
  let text = ''
  session.on('HeapProfiler.addHeapSnapshotChunk', ({ chunk }) => (text += chunk))
  for (let n = 0; n < 3; n++) await session.send('HeapProfiler.collectGarbage')
  const { usedSize } = await session.send('Runtime.getHeapUsage')
  await session.send('HeapProfiler.takeHeapSnapshot')
  await session.detach()
  const { snapshot, nodes } = JSON.parse(text)
  const { node_fields: fields, node_types: types } = snapshot.meta
  let objects = 0
  for (let n = 0; n < nodes.length; n += fields.length) objects += Number(['object', 'closure'].includes(types[0][nodes[n]]))
  return { bytes: usedSize, objects }
}
