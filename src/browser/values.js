// The JavaScript values that a page gets, and the reads of parsed JSON. Here, and not in Rust, because each would be a
// dozen calls across the boundary there and is one here.

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

export const sentMessage = (row, seq, mine) =>
  Object.freeze({
    id: row.id.toLowerCase(),
    seq,
    sender: mine ? 'me' : 'them',
    body: row.body,
    createdAt: row.created_at,
    status: 'sent',
  })

export const pendingMessage = (id, body, writtenAt, error) => {
  const message = {
    id,
    seq: null,
    sender: 'me',
    body,
    createdAt: new Date(writtenAt).toISOString(),
    status: error ? 'error' : 'sending',
  }
  if (error) message.error = error
  return Object.freeze(message)
}

/** Inserts `messages` into `list` before `at`. */
export function insert(list, at, messages) {
  if (at === list.length) for (const message of messages) list.push(message)
  else list.splice(at, 0, ...messages)
}

/** Takes `count` messages out of `list` from `at` on. */
export function remove(list, at, count) {
  list.splice(at, count)
}

export const frozenCopy = (list) => Object.freeze(list.slice())

export const snapshot = (status, messages, hasOlder, loadingOlder, error, outboxPersists) =>
  Object.freeze({ status, messages, hasOlder, loadingOlder, error: error ?? null, outboxPersists })

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
