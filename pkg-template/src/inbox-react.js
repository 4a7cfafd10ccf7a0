import { useSyncExternalStore } from 'react'
import { Chat as Core } from './chat.js'
import { ChatInbox } from './inbox.js'
import { Store, useLive, useStore } from './store.js'

export { useSeen } from './seen.js'

/** @typedef {import('./index.js').ChatStatus} Status */
/** @typedef {import('./index.js').ChatError | null} Failure */

class Chat extends Core {
  /** @param {import('./inbox.js').ChatSessionOptions | null} options */
  constructor(options) {
    super(options)
    const session = () => /** @type {import('./inbox.js').ChatSession | null} */ (this.session)
    Object.assign(this.actions, { markRead: (/** @type {number} */ seq) => session()?.markRead(seq) })
  }

  /** @param {Status} status @param {Failure} error */
  empty(status, error) {
    return { ...super.empty(status, error), firstUnread: undefined, readByOther: 0, deliveredToOther: 0 }
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
