import { ChatSession as Core, countUnsent as coreCountUnsent, hasClient, signOut as coreSignOut, threadId as coreThreadId } from './core.js'
import { Handle, ask } from './handle.js'
import { askEarly, dropEarly } from './requests.js'
import init, { needInit, started } from './start.js'
import { ChatError } from './values.js'

export { ChatError, init as default }

/** @param {import('./index.js').ChatSessionOptions} [options] */
export async function prefetch(options) {
  // Else its engine has a token and a socket, and asks for the rest itself.
  if (options && !(started && hasClient())) askEarly(options)
  // Whoever opens the chat tries again, and hears why.
  await init().catch(() => {})
}

/**
 * @param {string} a
 * @param {string} b
 */
export function threadId(a, b) {
  needInit()
  return coreThreadId(a, b)
}

export async function countUnsent() {
  await init()
  return coreCountUnsent()
}

export async function signOut() {
  dropEarly()
  await init()
  await coreSignOut()
}

/** @extends {Handle<Core>} */
export class ChatSession extends Handle {
  /** @param {import('./index.js').ChatSessionOptions} options */
  constructor(options) {
    needInit()
    const own = { ...options }
    super(() => new Core(own))
  }

  /**
   * @param {string} body
   * @param {string} [id]
   */
  send(body, id) {
    return ask(this, (core) => core.send(body, id))
  }

  loadOlder() {
    return ask(this, (core) => core.loadOlder())
  }

  /** @param {string} id */
  retry(id) {
    ask(this, (core) => core.retry(id))
  }

  /** @param {string} id */
  discard(id) {
    ask(this, (core) => core.discard(id))
  }
}
