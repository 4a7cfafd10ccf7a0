// chopped-chat with inbox and receipts, and with second thoughts about what was said.
import { ChatInbox as Core } from './core.js'
import { normalised } from './emoji.js'
import { Handle, ask } from './handle.js'
import { ChatSession } from './index.js'
import { needInit } from './start.js'

export * from './index.js'
export { default } from './index.js'

/** @typedef {Handle<import('./core.js').ChatSession>} Session */

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
   * @this {Session}
   * @param {number} seq
   */
  markRead(seq) {
    ask(this, (core) => core.markRead(seq))
  },

  /**
   * @this {Session}
   * @param {string} body
   * @param {string | import('./inbox.js').SendOptions} [more]
   */
  send(body, more) {
    const { id, replyTo } = typeof more === 'string' ? { id: more, replyTo: undefined } : (more ?? {})
    return ask(this, (core) => (replyTo == null ? core.send(body, id) : core.reply(body, id, replyTo)))
  },

  /**
   * @this {Session}
   * @param {string} id
   * @param {string} body
   */
  edit(id, body) {
    ask(this, (core) => core.edit(id, body))
  },

  /**
   * @this {Session}
   * @param {string} id
   */
  unsend(id) {
    ask(this, (core) => core.unsend(id))
  },

  /**
   * @this {Session}
   * @param {string} id
   * @param {string | null} emoji
   */
  react(id, emoji) {
    const kept = normalised(emoji)
    ask(this, (core) => core.react(id, kept))
  },

  /**
   * @this {Session}
   * @param {number} seq
   */
  async jumpTo(seq) {
    await ask(this, (core) => core.jumpTo(seq))
  },
})
