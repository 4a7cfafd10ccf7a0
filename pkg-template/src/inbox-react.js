import { useSyncExternalStore } from 'react'
import { Chat as Core } from './chat.js'
import init, { ChatError, ChatInbox } from './inbox.js'
import { Store, useLive, useStore } from './store.js'

export { useSeen } from './seen.js'

/** @typedef {import('./index.js').ChatStatus} Status */
/** @typedef {import('./index.js').ChatError | null} Failure */
/** @typedef {import('./inbox.js').ChatMessage} Message */
/** @typedef {import('./inbox.js').ChatSession} Session */

/** What a message has more here, as long as nobody did anything to it. */
const UNCHANGED = {
  editedAt: null,
  deleted: false,
  quoted: null,
  reactions: Object.freeze({ me: null, them: null }),
  canEdit: true,
  canUnsend: true,
  change: null,
}

class Chat extends Core {
  /** @type {Session | null} */
  session = null

  /** @param {import('./inbox.js').ChatSessionOptions | null} options */
  constructor(options) {
    super(options)
    Object.assign(this.actions, {
      send: (/** @type {string} */ body, /** @type {Pick<import('./inbox.js').SendOptions, 'replyTo'>} */ { replyTo = null } = {}) =>
        this.send(body, { ...UNCHANGED, replyTo }),
      edit: (/** @type {string} */ id, /** @type {string} */ body) => this.edit(id, body),
      unsend: (/** @type {string} */ id) => (this.session ? this.session.unsend(id) : this.actions.discard(id)),
      react: (/** @type {string} */ id, /** @type {string | null} */ emoji) => this.session?.react(id, emoji),
      markRead: (/** @type {number} */ seq) => this.session?.markRead(seq),
      jumpTo: (/** @type {number} */ seq) => this.jumpTo(seq),
    })
  }

  /** @param {Status} status @param {Failure} error */
  empty(status, error) {
    return { ...super.empty(status, error), firstUnread: undefined, readByOther: 0, deliveredToOther: 0 }
  }

  /** @param {Session} session @param {Message} early */
  say(session, { id, body, replyTo }) {
    session.send(body, { id, replyTo })
  }

  /** @param {string} id @param {string} body */
  edit(id, body) {
    if (this.session) return this.session.edit(id, body)
    this.check(body)
    this.retry(id, { body })
  }

  /** Waits for a session, as the page may know where to go before there is one. @param {number} seq */
  async jumpTo(seq) {
    if (!this.session && this.options && !this.left) {
      await init()
      // A child's effects run before those of its parent, which start this.
      await null
    }
    if (!this.session) throw new ChatError('closed', 'The session is closed.')
    await this.session.jumpTo(seq)
  }
}

/** @extends {Store<import('./inbox.js').ChatInboxOptions, import('./inbox.js').ChatInboxSnapshot, ChatInbox>} */
class Inbox extends Store {
  /** @param {import('./inbox.js').ChatInboxOptions} options */
  make(options) {
    return new ChatInbox(options)
  }

  /** @param {Status} status @param {Failure} error @returns {import('./inbox.js').ChatInboxSnapshot} */
  empty(status, error) {
    return { status, threads: [], unread: 0, hasMore: false, loadingMore: false, error }
  }

  actions = { loadMore: async () => this.session?.loadMore() }
}

/** @param {import('./inbox.js').ChatSessionOptions | null} options */
export const useChat = (options) => useLive(Chat, options)

/** @param {import('./inbox.js').ChatInboxOptions | null} options */
export const useInbox = (options) => useLive(Inbox, options)

/** @param {import('./inbox.js').ChatInboxOptions | null} options */
export function useUnread(options) {
  const { subscribe, getSnapshot } = useStore(Inbox, options)
  const unread = () => getSnapshot().unread
  return useSyncExternalStore(subscribe, unread, unread)
}
