import { about, ensureUrl, look, seen, swapped, tokenUrl } from './page.js'

const { default: init, ChatSession } = await import(about.records ? '/pkg/debug/index.js' : '/pkg/index.js')
await init()
const session = new ChatSession({
  supabaseUrl: about.url,
  supabaseAnonKey: about.key,
  tokenUrl,
  ensureThreadUrl: ensureUrl(about.other),
  myMongoId: about.me,
  otherMongoId: about.other,
})
const messages = () => session.getSnapshot().messages
/** As a page that listens sees it: what was in a snapshot when it was told. */
let shown = messages()
session.subscribe(() => {
  shown = messages()
  look(shown)
})
session.open().catch(() => {})

window.chat = {
  swapped,
  recording: () => session.recording?.() ?? '',
  state() {
    const { status, error } = session.getSnapshot()
    return { status, error: error?.code ?? null }
  },
  bubbles: () => shown.map(({ id, body, status, seq, sender }) => ({ id, body, status, seq, mine: sender === 'me' })),
  async send(body) {
    const id = session.send(body)
    await seen()
    return id
  },
  retryErrors() {
    for (const { id, status } of messages()) if (status === 'error') session.retry(id)
  },
}
