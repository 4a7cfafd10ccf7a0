// The JavaScript values that a page gets and gives, and the reads of parsed JSON. Here, and not in Rust, because each would be a
// dozen calls across the boundary there and is one here.
//
// The options have no file of their own, since the browser tests can load no more files (`xtask/src/arrows.rs`).

/** Every failure of chopped-chat: `code` is stable, `message` is for people, `detail` is what the other side said. */
export class ChatError extends Error {
  constructor(code, sentence, detail) {
    super(detail === undefined ? sentence : `${sentence} (${detail})`)
    this.name = 'ChatError'
    this.code = code
    this.detail = detail ?? null
  }
}

// `fatal`, and a byte order mark is kept, so that what is no JSON natively is none here.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `undefined` if `text` is not JSON. */
export function parseText(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function parseBytes(bytes) {
  try {
    return JSON.parse(utf8.decode(bytes))
  } catch {
    return undefined
  }
}

export const member = (value, key) => value?.[key]
export const element = (value, index) => (Array.isArray(value) ? value[index] : undefined)
export const length = (value) => (Array.isArray(value) ? value.length : undefined)

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i

/**
 * Reads a row of `chat_messages` into `parts`: the id in four, its number and that of its last change in two each, and 1 if `me`
 * wrote it. `false` if it is no row of `thread`.
 */
export function readRow(row, thread, me, parts) {
  if (row?.thread_id !== thread) return false
  const { id, seq, rev, sender_mongo_id: sender } = row
  const whole = [row.body, row.created_at, sender, id].every((text) => typeof text === 'string')
  if (!whole || !UUID.test(id) || !Number.isSafeInteger(seq) || seq < 1) return false
  const hex = id.replaceAll('-', '')
  for (let at = 0; at < 4; at++) parts[at] = parseInt(hex.slice(8 * at, 8 * at + 8), 16)
  parts[4] = seq / 2 ** 32
  parts[5] = seq
  parts[6] = rev / 2 ** 32
  parts[7] = rev
  parts[8] = sender === me
  return true
}

/** Puts a message into `list` at `at`, in the place of so many. */
export const put = (list, at, replaced, message) => {
  if (at === list.length) list.push(Object.freeze(message))
  else list.splice(at, replaced, Object.freeze(message))
}

export const putSent = (list, at, replaced, row, seq, mine) =>
  put(list, at, replaced, {
    id: row.id.toLowerCase(),
    seq,
    sender: mine ? 'me' : 'them',
    body: row.body,
    createdAt: row.created_at,
    status: 'sent',
  })

export const putPending = (list, at, replaced, id, body, writtenAt, error) => {
  const message = {
    id,
    seq: null,
    sender: 'me',
    body,
    createdAt: new Date(writtenAt).toISOString(),
    status: error ? 'error' : 'sending',
  }
  if (error) message.error = error
  put(list, at, replaced, message)
}

/** Takes `count` messages out of `list` from `at` on. */
export function remove(list, at, count) {
  list.splice(at, count)
}

export const frozenCopy = (list) => Object.freeze(list.slice())

export const snapshot = (status, messages, hasOlder, loadingOlder, error, outboxPersists, fromCache) =>
  Object.freeze({ status, messages, hasOlder, loadingOlder, error: error ?? null, outboxPersists, fromCache })

/** Calls a subscriber; what it throws reaches `window.onerror`, not the chat. */
export function notify(callback) {
  try {
    callback()
  } catch (error) {
    if (globalThis.reportError) reportError(error)
    else console.error(error)
  }
}

/**
 * Calls `callback` twice: when the microtasks that were queued so far have run, and in the next task. A timer would be late in a
 * page that is hidden.
 */
export function afterMicrotasks(callback) {
  const { port1, port2 } = new MessageChannel()
  queueMicrotask(callback)
  port1.onmessage = () => {
    // An open port would keep a Node.js process, such as a test's, from ending.
    port1.close()
    callback()
  }
  port2.postMessage(null)
}

export const isOnline = () => globalThis.navigator?.onLine !== false
export const isVisible = () => globalThis.document?.visibilityState !== 'hidden'

const isText = (value) => typeof value === 'string' && value !== ''

function readUrl(text) {
  try {
    const { protocol, search, hash, href } = new URL(text)
    if (/^https?:$/.test(protocol) && !search && !hash) return href.replace(/\/+$/, '')
  } catch {}
}

/** What is wrong with `options`, in words; or all of them in a row, as `Options::read` takes them. An inbox has no other person. */
export function readOptions(options, isInbox) {
  if (typeof options !== 'object' || !options) return 'new ChatSession(options): options must be an object'
  for (const name of ['myMongoId', 'otherMongoId', 'supabaseUrl', 'supabaseAnonKey'])
    if (!(isInbox && name === 'otherMongoId') && !isText(options[name])) return `${name} must be a string that is not empty`

  const url = readUrl(options.supabaseUrl)
  if (!url) return 'supabaseUrl must be an http(s) URL such as https://<ref>.supabase.co'

  for (const [url, callback] of [['tokenUrl', 'getToken'], ['ensureThreadUrl', 'ensureThread']]) {
    if (isInbox && url === 'ensureThreadUrl') continue
    if ((options[url] == null) === (options[callback] == null)) return `give one of ${url} and ${callback}`
    if (options[url] != null && !isText(options[url])) return `${url} must be a string that is not empty`
    if (options[callback] != null && typeof options[callback] !== 'function') return `${callback} must be a function`
  }

  const { pageSize, persistOutbox, cacheMessages, receipts } = options
  const size = pageSize ?? (isInbox ? 30 : 50)
  if (!Number.isInteger(size) || size < 1 || size > 200) return 'pageSize must be a whole number from 1 to 200'
  for (const name of ['persistOutbox', 'cacheMessages', 'receipts'])
    if (typeof (options[name] ?? true) !== 'boolean') return `${name} must be true or false`

  return [
    url,
    options.supabaseAnonKey,
    options.tokenUrl ?? options.getToken,
    options.ensureThreadUrl ?? options.ensureThread,
    options.myMongoId,
    options.otherMongoId,
    size,
    persistOutbox ?? true,
    cacheMessages ?? true,
    receipts ?? true,
  ]
}
