// As a page would use the package, without React. `window.chat` is what the test gives it.
import init, { ChatSession } from 'chopped-chat'

// Twice at once: it loads once.
await Promise.all([init(), init()])
const { token, ...options } = window.chat
const session = new ChatSession({
  ...options,
  getToken: () => ({ access_token: token, expires_in: 3600 }),
  ensureThread: () => {},
})
globalThis.session = session
session.subscribe(() => {
  document.title = session.getSnapshot().status
})
await session.open()
