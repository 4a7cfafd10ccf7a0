// The inbox that one writes by hand: the list and the person's channel side by side, and with each event the list again.
import { createClient } from '@supabase/supabase-js'
import { asChat } from './lines.js'
import { freshToken } from './token.js'

let supabase

export async function prepare() {}

export function openChat(config, changed) {
  supabase ??= createClient(config.url, config.key, { accessToken: () => freshToken(config) })
  let threads = []
  let live = false
  let reads = 0
  let channel
  const show = () => changed(asChat(threads.map(({ message }) => message?.body), live))

  async function read() {
    const own = ++reads
    const { data, error } = await supabase.rpc('list_chat_threads')
    if (error) throw error
    // A later one has been asked.
    if (own !== reads) return
    threads = data.threads
    show()
  }

  async function open() {
    const first = read()
    await supabase.realtime.setAuth()
    const joined = new Promise((resolve, reject) => {
      channel = supabase.channel(`chat-inbox:${config.user}`, { config: { private: true } })
      for (const event of ['THREAD', 'MARK']) channel.on('broadcast', { event }, () => void read())
      channel.subscribe((status, error) => (status === 'SUBSCRIBED' ? resolve() : reject(error ?? new Error(status))))
    })
    await Promise.all([first, joined])
    live = true
    show()
  }

  return { opened: open(), close: () => supabase.removeChannel(channel) }
}
