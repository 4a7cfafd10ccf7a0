import { about, ensureUrl, look, seen, swapped, tokenUrl } from './page.js'
import { BaselineChat } from './baseline-client.js'

const chat = new BaselineChat({ ...about, tokenUrl, ensureUrl: ensureUrl(about.other), createClient: window.supabase.createClient, onChange: () => look(chat.messages) })
void chat.open()

window.chat = {
  swapped,
  state: () => ({ status: chat.status, error: null }),
  bubbles: () => chat.messages.map(({ id, body, status, seq, sender_mongo_id }) => ({ id, body, status, seq, mine: sender_mongo_id === about.me })),
  async send(body) {
    const id = chat.send(body)
    await seen()
    return id
  },
  retryErrors() {
    for (const { id, status } of chat.messages) if (status === 'error') chat.retry(id)
  },
}
