import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import init, { ChatError, ChatSession, prefetch } from './index.js'

/** @typedef {import('./index.js').ChatSessionOptions} Options */
/** @typedef {import('./index.js').ChatSnapshot} Snapshot */
/** @typedef {import('./index.js').ChatMessage} Message */

/** @type {(status: Snapshot['status'], error: ChatError | null) => Snapshot} */
const empty = (status, error) => ({ status, messages: [], hasOlder: false, loadingOlder: false, error, outboxPersists: true, fromCache: false })
const CONNECTING = empty('connecting', null)
const CLOSED = empty('closed', null)

/** As the engine checks it, while there is none. @param {string} body */
function check(body) {
  if (typeof body !== 'string') throw new ChatError('invalid-options', 'send(body): body must be a string')
  if (!/[^\t-\r ]/.test(body)) throw new ChatError('message-empty', 'The message is empty.')
  if ([...body].length > 4000) throw new ChatError('message-too-long', 'The message is longer than 4000 characters.')
}

/** A version 4 UUID (RFC 9562, section 5.4); `crypto.randomUUID` exists in secure contexts only. */
function uuid() {
  const bytes = crypto
    .getRandomValues(new Uint8Array(16))
    .map((byte, n) => (n === 6 ? (byte & 0x0f) | 0x40 : n === 8 ? (byte & 0x3f) | 0x80 : byte))
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** A session that lives while somebody is subscribed: React's effects open and close it, so StrictMode may do so twice. */
class Store {
  /** @type {Options | null} */
  #options
  /** @type {ChatSession | null} */
  #session = null
  /** @type {(() => void) | undefined} */
  #off
  /** Said while there is no session yet. @type {readonly Message[]} */
  #early = []
  #left = false
  /** @type {Snapshot} */
  #snapshot
  /** @type {Set<() => void>} */
  #subscribers = new Set()

  /** @param {Options | null} options */
  constructor(options) {
    this.#options = options
    this.#snapshot = options ? CONNECTING : CLOSED
  }

  /** @param {() => void} subscriber */
  subscribe = (subscriber) => {
    // A set of its own entries: React may subscribe the same function twice.
    const tell = () => subscriber()
    this.#subscribers.add(tell)
    this.#left = false
    if (this.#subscribers.size === 1) void this.#start()
    return () => {
      this.#subscribers.delete(tell)
      if (this.#subscribers.size === 0) this.#stop()
    }
  }

  getSnapshot = () => this.#snapshot

  /** @param {Snapshot} snapshot */
  #show(snapshot) {
    if (this.#snapshot === snapshot) return
    this.#snapshot = snapshot
    for (const tell of [...this.#subscribers]) tell()
  }

  /** @param {readonly Message[]} early */
  #showEarly(early, snapshot = CONNECTING) {
    this.#early = Object.freeze(early.map((message) => Object.freeze(message)))
    this.#show({ ...snapshot, messages: this.#early })
  }

  async #start() {
    try {
      if (this.#options) void prefetch(this.#options)
      await init()
      // Gone meanwhile, or started by a second subscription.
      if (this.#session || !this.#options || (this.#subscribers.size === 0 && this.#early.length === 0)) return
      const session = new ChatSession(this.#options)
      const early = this.#early
      if (this.#subscribers.size > 0) {
        this.#session = session
        this.#off = session.subscribe(() => this.#show(session.getSnapshot()))
      }
      // Why it can't open stands in the snapshot.
      session.open().catch(() => {})
      for (const { id, body } of early) session.send(body, id)
      this.#early = []
      if (!this.#session) session.close()
      // At once: subscribers hear of it later, and the bubbles are there already.
      else if (early.length > 0) this.#show(session.getSnapshot())
    } catch (error) {
      const ours = error instanceof ChatError
      const why = ours ? error : new ChatError('init-failed', 'The chat could not be started.', String(error))
      this.#off?.()
      const session = this.#session
      this.#session = null
      if (session) setTimeout(() => session.close())
      this.#showEarly(
        this.#early.map((message) => ({ ...message, status: 'error', error: why })),
        empty('closed', why),
      )
      // For whoever watches over the page's errors.
      if (!ours) throw error
    }
  }

  #stop() {
    const session = this.#session
    this.#session = null
    this.#left = true
    this.#snapshot = this.#options ? { ...CONNECTING, messages: this.#early } : CLOSED
    // Whoever mounts in the same turn, such as a component that was edited, takes the thread over as it is.
    if (session) setTimeout(() => session.close())
    // How it ends is not for this snapshot.
    this.#off?.()
  }

  /** @param {string} body */
  #send(body) {
    if (this.#session) return this.#session.send(body)
    if (!this.#options || this.#left) throw new ChatError('closed', 'The session is closed.')
    check(body)
    const id = uuid()
    this.#showEarly([...this.#early, { id, seq: null, sender: 'me', body, createdAt: new Date().toISOString(), status: 'sending' }])
    // What could not be loaded is tried again.
    if (this.#subscribers.size > 0) void this.#start()
    return id
  }

  /** @param {string} id */
  #retry(id) {
    if (this.#session) return this.#session.retry(id)
    if (!this.#early.some((message) => message.id === id && message.error)) return
    this.#showEarly(this.#early.map(({ error: _, ...message }) => ({ ...message, status: 'sending' })))
    void this.#start()
  }

  /** @param {string} id */
  #discard(id) {
    if (this.#session) return this.#session.discard(id)
    this.#showEarly(
      this.#early.filter((message) => message.id !== id),
      this.#snapshot,
    )
  }

  actions = {
    send: (/** @type {string} */ body) => this.#send(body),
    loadOlder: async () => this.#session?.loadOlder(),
    retry: (/** @type {string} */ id) => this.#retry(id),
    discard: (/** @type {string} */ id) => this.#discard(id),
  }
}

/** @param {Options | null} options */
export function useChat(options) {
  // By value: a page may write its options in place. Functions are told apart from none only, and the latest are called.
  const key = options && JSON.stringify(options, (_, value) => (typeof value === 'function' ? 'function' : value))
  const latest = useRef(options)
  useEffect(() => {
    latest.current = options
  })
  const store = useMemo(() => {
    if (!options) return new Store(null)
    const stable = { ...options }
    if (options.getToken) {
      stable.getToken = () => (latest.current?.getToken ?? options.getToken)()
    }
    if (options.ensureThread) {
      stable.ensureThread = (other) => (latest.current?.ensureThread ?? options.ensureThread)(other)
    }
    return new Store(stable)
    // The key stands for the options.
  }, [key])
  const snapshot = useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot)
  return useMemo(() => ({ ...snapshot, ...store.actions }), [snapshot, store])
}
