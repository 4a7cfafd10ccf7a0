// chopped-chat with a recorder in it: `session.recording()` is what happened, for `cargo xtask replay`.
import { recording } from './core.js'
import { ChatSession } from './index.js'

export * from './index.js'
export { default } from './index.js'

Object.assign(ChatSession.prototype, { recording })
