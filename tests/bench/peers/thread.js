// A thread as one writes it by hand, on any client of Realtime and PostgREST: what supabase-js's client and its parts share.

const COLUMNS = 'id, thread_id, sender_mongo_id, body, created_at, seq'

/**
 * @param {{ rest: any, realtime: any, channels: any }} clients `rest` has from() and rpc(), `channels` channel() and removeChannel()
 * @param {{ ensureUrl: string, me: string, other: string, pageSize: number }} config
 * @param {(state: { messages: object[], live: boolean }) => void} changed
 * @param {Promise<Response>} [begun] of the thread that is to be
 */
export function openThread({ rest, realtime, channels }, config, changed, begun = ensure(config)) {
  const { me, other } = config
  const threadId = [me, other].sort().join('__')
  let messages = []
  let live = false
  let channel

  const show = (next) => {
    messages = next
    changed({ messages, live })
  }
  const message = (row) => ({
    id: row.id,
    sender: row.sender_mongo_id === me ? 'me' : 'them',
    body: row.body,
    createdAt: row.created_at,
    status: 'sent',
  })
  const append = (row) => {
    if (!messages.some(({ id }) => id === row.id)) show([...messages, message(row)])
  }
  const without = (page) => {
    const known = new Set(page.map(({ id }) => id))
    return messages.filter(({ id }) => !known.has(id))
  }
  const page = async (before) => {
    let query = rest.from('chat_messages').select(COLUMNS).eq('thread_id', threadId)
    if (before) query = query.lt('created_at', before)
    const { data, error } = await query.order('created_at', { ascending: false }).limit(config.pageSize)
    if (error) throw error
    return data.reverse().map(message)
  }

  async function open() {
    const ensured = begun.then((response) => {
      if (!response.ok) throw new Error(`ensure: ${response.status}`)
    })
    const first = page().then((read) => show([...read, ...without(read)]))
    // A join before the thread is there would be refused.
    await Promise.all([realtime.setAuth(), ensured])
    const joined = new Promise((resolve, reject) => {
      channel = channels
        .channel(`chat:${threadId}`, { config: { private: true } })
        .on('broadcast', { event: 'INSERT' }, ({ payload }) => append(payload.record))
        .subscribe((status, error) => (status === 'SUBSCRIBED' ? resolve() : reject(error ?? new Error(status))))
    })
    await Promise.all([first, joined])
    live = true
    changed({ messages, live })
  }

  return {
    opened: open(),
    async loadOlder() {
      const older = await page(messages[0].createdAt)
      show([...older, ...messages])
    },
    send(body) {
      const id = crypto.randomUUID()
      const set = (patch) => show(messages.map((old) => (old.id === id ? { ...old, ...patch } : old)))
      show([...messages, { id, sender: 'me', body, createdAt: new Date().toISOString(), status: 'sending' }])
      rest
        .rpc('insert_chat_message', { _thread_id: threadId, _sender_mongo_id: me, _recipient_mongo_id: other, _body: body, _id: id })
        .then(({ data, error }) => set(error ? { status: 'error' } : message(data)))
      return id
    },
    close: () => channels.removeChannel(channel),
  }
}

const ensure = ({ ensureUrl, other }) =>
  fetch(ensureUrl, {
    method: 'POST',
    credentials: 'include',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ other_mongo_id: other }),
  })
