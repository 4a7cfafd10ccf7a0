// chopped-chat with inbox and receipts.
import { ChatInbox as Core } from './core.js'
import { Handle, ask } from './handle.js'
import { ChatSession } from './index.js'
import { needInit } from './start.js'

export * from './index.js'
export { default } from './index.js'

/** @extends {Handle<Core>} */
export class ChatInbox extends Handle {
  /** @param {import('./inbox.js').ChatInboxOptions} options */
  constructor(options) {
    needInit()
    const own = { ...options }
    super(() => new Core(own))
  }

  loadMore() {
    return ask(this, (core) => core.loadMore())
  }
}

Object.assign(ChatSession.prototype, {
  /**
   * @this {Handle<import('./core.js').ChatSession>}
   * @param {number} seq
   */
  markRead(seq) {
    ask(this, (core) => core.markRead(seq))
  },
})
