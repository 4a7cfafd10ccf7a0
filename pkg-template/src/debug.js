// chopped-chat with a recorder in it: `session.recording()` is what happened, for `cargo xtask replay`.
import { recording } from './core.js'
import { ChatSession } from './inbox.js'

export * from './inbox.js'
export { default } from './inbox.js'

Object.assign(ChatSession.prototype, { recording })
