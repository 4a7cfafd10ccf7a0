// A chat as the hook shows it: what is said while the WebAssembly loads is there at once.
import { ChatError, ChatSession } from './index.js'
import { Store } from './store.js'

/** @typedef {import('./index.js').ChatMessage} Message */
/** @typedef {import('./index.js').ChatSnapshot} Snapshot */

/** A version 4 UUID (RFC 9562, section 5.4); `crypto.randomUUID` exists in secure contexts only. */
function uuid() {
  const bytes = crypto
    .getRandomValues(new Uint8Array(16))
    .map((byte, n) => (n === 6 ? (byte & 0x0f) | 0x40 : n === 8 ? (byte & 0x3f) | 0x80 : byte))
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** @extends {Store<import('./index.js').ChatSessionOptions, Snapshot, ChatSession>} */
export class Chat extends Store {
  /** Said while there is no session yet. @type {readonly Message[]} */
  #early = []

  get wanted() {
    return this.mounted || this.#early.length > 0
  }

  /** @param {import('./index.js').ChatSessionOptions} options */
  make(options) {
    return new ChatSession(options)
  }

  /** @param {import('./index.js').ChatStatus} status @param {ChatError | null} error @returns {Snapshot} */
  empty(status, error) {
    return { status, messages: this.#early, hasOlder: false, loadingOlder: false, error, outboxPersists: true, fromCache: false }
  }

  /** @param {ChatSession} session @param {Message} early */
  say(session, { id, body }) {
    session.send(body, id)
  }

  /** @param {ChatSession} session */
  opened(session) {
    const early = this.#early
    for (const message of early) this.say(session, message)
    this.#early = []
    // At once: subscribers hear of it later, and the bubbles are there already.
    if (this.session && early.length > 0) this.show(session.getSnapshot())
  }

  /** @param {ChatError} why */
  failed(why) {
    this.#showEarly(
      this.#early.map((message) => ({ ...message, status: 'error', error: why })),
      'closed',
      why,
    )
  }

  /** @param {readonly Message[]} early @param {import('./index.js').ChatStatus} [status] @param {ChatError | null} [error] */
  #showEarly(early, status = 'connecting', error = null) {
    early.forEach(Object.freeze)
    this.#early = Object.freeze(early)
    this.show(this.empty(status, error))
  }

  /** Throws what a session throws that is asked to say this. @param {string} body */
  check(body) {
    if (!this.options || this.left) throw new ChatError('closed', 'The session is closed.')
    if (typeof body !== 'string') throw new ChatError('invalid-options', 'body must be a string')
    if (!/[^\t-\r ]/.test(body)) throw new ChatError('message-empty', 'The message is empty.')
    if ([...body].length > 4000) throw new ChatError('message-too-long', 'The message is longer than 4000 characters.')
  }

  /** @param {string} body @param {object} [more] what else its bubble has */
  send(body, more) {
    if (this.session) return this.session.send(body, /** @type {any} */ (more))
    this.check(body)
    const id = uuid()
    this.#showEarly([...this.#early, { id, seq: null, sender: 'me', body, createdAt: new Date().toISOString(), status: 'sending', ...more }])
    // What could not be loaded is tried again.
    if (this.mounted) void this.start()
    return id
  }

  /** @param {string} id @param {object} [changed] what it is from now on, if it is not only to be tried again */
  retry(id, changed) {
    if (this.session) return this.session.retry(id)
    if (!this.#early.some((message) => message.id === id && (changed ?? message.error))) return
    this.#showEarly(this.#early.map(({ error: _, ...message }) => ({ ...message, ...(message.id === id && changed), status: 'sending' })))
    void this.start()
  }

  /** @param {string} id */
  #discard(id) {
    if (this.session) return this.session.discard(id)
    const { status, error } = this.getSnapshot()
    this.#showEarly(
      this.#early.filter((message) => message.id !== id),
      status,
      error,
    )
  }

  actions = {
    send: (/** @type {string} */ body) => this.send(body),
    loadOlder: async () => this.session?.loadOlder(),
    retry: (/** @type {string} */ id) => this.retry(id),
    discard: (/** @type {string} */ id) => this.#discard(id),
  }
}
