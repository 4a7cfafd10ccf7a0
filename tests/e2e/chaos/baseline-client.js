// The baseline client: on @supabase/supabase-js 2.119.1, as a careful developer would write it by hand. chopped-chat is
// measured against it.
//
// The newest 50 by created_at, older ones by keyset, a token from the backend, a private channel, INSERT
// broadcasts appended, optimistic sends by the function insert_chat_message with its four arguments. And what
// such a sketch leaves to the developer, done well:
//
// - it subscribes again by itself when the channel or the socket ends, and reads the newest 50 after each time it has;
// - rows are told apart by id, and sorted by created_at where they are merged;
// - an own row that comes by broadcast or by a read takes the place of the oldest unconfirmed bubble of the same text;
// - the token is asked for again ahead of its end, and before every subscription;
// - a send that failed is marked, and the person can try again;
// - when the network or the page is back, it reads again.

const PAGE = 50
/** How long before its end a token is renewed, in s: or at half of its life, if that is later. */
const AHEAD = 60
const TRY_AGAIN = 2000

/** What a chat and an inbox have in common: the client, its token, and a private channel. */
export class BaselineLine {
  status = 'connecting'
  #tokenUrl
  #channel
  #token
  #tokenUntil = 0

  constructor({ createClient, url, key, tokenUrl }) {
    this.#tokenUrl = tokenUrl
    // A singleton: no session of its own, the backend's token for every request.
    this.client = createClient(url, key, {
      auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
      accessToken: () => this.#freshToken(),
    })
    const refresh = () => void this.readNewest().catch(() => {})
    addEventListener('online', refresh)
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') refresh()
    })
  }

  async subscribe(topic, events, heard) {
    await this.client.realtime.setAuth(await this.#freshToken())
    const channel = this.client.channel(topic, { config: { private: true } })
    this.#channel = channel
    for (const event of events) channel.on('broadcast', { event }, ({ payload }) => heard(payload))
    channel.subscribe((status) => {
      if (channel !== this.#channel) return
      if (status === 'SUBSCRIBED') {
        this.status = 'live'
        // What came while nobody listened.
        void this.untilItWorks(() => this.readNewest())
        return
      }
      this.status = 'reconnecting'
      // The token may be why. realtime-js joins again after an error by itself, after a close it does not.
      void this.#freshToken(status === 'CHANNEL_ERROR').then((token) => this.client.realtime.setAuth(token), () => {})
      if (status === 'CLOSED') {
        this.#channel = undefined
        setTimeout(() => void this.untilItWorks(() => this.subscribe(topic, events, heard)), TRY_AGAIN)
      }
    })
  }

  async #freshToken(now = false) {
    if (now || Date.now() > this.#tokenUntil) {
      const response = await fetch(this.#tokenUrl, { credentials: 'include' })
      if (!response.ok) throw new Error(`the token endpoint answered ${response.status}`)
      const { access_token, expires_in } = await response.json()
      this.#token = access_token
      const good = Math.max(expires_in - AHEAD, expires_in / 2) * 1000
      this.#tokenUntil = Date.now() + good
      setTimeout(() => void this.#freshToken().then((token) => this.client.realtime.setAuth(token), () => {}), good + 100)
    }
    return this.#token
  }

  async untilItWorks(act) {
    for (;;) {
      try {
        return await act()
      } catch {
        await new Promise((done) => setTimeout(done, TRY_AGAIN))
      }
    }
  }
}

export class BaselineChat extends BaselineLine {
  /** What the screen shows, oldest first: rows, and bubbles that are not confirmed. */
  messages = []
  #options
  #threadId

  constructor(options) {
    super(options)
    this.#options = options
    this.#threadId = [options.me, options.other].sort().join('__')
  }

  async open() {
    await this.untilItWorks(() => this.#post(this.#options.ensureUrl))
    await this.untilItWorks(() => this.readNewest())
    await this.untilItWorks(() => this.subscribe(`chat:${this.#threadId}`, ['INSERT'], ({ record }) => this.#append(record)))
  }

  /** Reads the page before the oldest row. */
  async loadOlder() {
    const oldest = this.messages.find(({ created_at }) => created_at)
    if (oldest) await this.#read((query) => query.lt('created_at', oldest.created_at))
  }

  send(body) {
    const { me } = this.#options
    const bubble = { id: `unconfirmed-${crypto.randomUUID()}`, body, status: 'sending', seq: null, sender_mongo_id: me }
    this.#show([...this.messages, bubble])
    void this.#insert(bubble)
    return bubble.id
  }

  retry(id) {
    const bubble = this.messages.find((message) => message.id === id && message.status === 'error')
    if (!bubble) return
    bubble.status = 'sending'
    this.#show([...this.messages])
    void this.#insert(bubble)
  }

  async #insert(bubble) {
    const { me, other } = this.#options
    const { data, error } = await this.client
      .rpc('insert_chat_message', { _thread_id: this.#threadId, _sender_mongo_id: me, _recipient_mongo_id: other, _body: bubble.body })
      .then(
        (answer) => answer,
        (error) => ({ error }),
      )
    if (error) {
      bubble.status = 'error'
      this.#show([...this.messages])
    } else {
      this.#confirm(bubble, data)
    }
  }

  /** The bubble becomes its row, where it stands; it goes if a broadcast or a read was faster. */
  #confirm(bubble, row) {
    const known = this.messages.some(({ id }) => id === row.id)
    const sent = { ...row, status: 'sent' }
    this.#show(this.messages.flatMap((message) => (message === bubble ? (known ? [] : [sent]) : [message])))
  }

  #append(row) {
    if (this.messages.some(({ id }) => id === row.id)) return
    const bubble = this.#bubbleOf(row, this.messages)
    if (bubble) this.#confirm(bubble, row)
    else this.#show([...this.messages, { ...row, status: 'sent' }])
  }

  #bubbleOf(row, messages) {
    return messages.find((message) => !message.created_at && row.sender_mongo_id === this.#options.me && message.body === row.body)
  }

  readNewest() {
    return this.#read((query) => query)
  }

  async #read(narrow) {
    const { data, error } = await narrow(this.client.from('chat_messages').select('*').eq('thread_id', this.#threadId))
      .order('created_at', { ascending: false })
      .limit(PAGE)
    if (error) throw error
    const rows = new Map(this.messages.filter(({ created_at }) => created_at).map((row) => [row.id, row]))
    let bubbles = this.messages.filter(({ created_at }) => !created_at)
    for (const row of data.reverse()) {
      if (rows.has(row.id)) continue
      rows.set(row.id, { ...row, status: 'sent' })
      const bubble = this.#bubbleOf(row, bubbles)
      bubbles = bubbles.filter((other) => other !== bubble)
    }
    const sorted = [...rows.values()].sort((a, b) => (a.created_at < b.created_at ? -1 : a.created_at > b.created_at ? 1 : 0))
    this.#show([...sorted, ...bubbles])
  }

  async #post(url) {
    const response = await fetch(url, { method: 'POST', credentials: 'include' })
    if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  }

  #show(messages) {
    this.messages = messages
    this.#options.onChange()
  }
}
