import { about, swapped, tokenUrl } from './page.js'
import { BaselineInbox } from './baseline-inbox.js'

const inbox = new BaselineInbox({ ...about, tokenUrl, createClient: window.supabase.createClient })
void inbox.open()

window.chat = {
  swapped,
  state: () => ({ status: inbox.status, error: null }),
  lines: () => inbox.threads.map(({ other_mongo_id, message, unread }) => [other_mongo_id, message?.body ?? '', unread]),
  read: (other) => inbox.read(other),
}
