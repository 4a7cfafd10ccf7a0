// The baseline's inbox: on @supabase/supabase-js 2.119.1, as a careful developer would write it by hand. The list by
// list_chat_threads, the private channel of the person, and the list read again with each event, after each time it has
// subscribed, and when the network or the page is back; of several reads the newest counts. Reading marks by mark_chat.
import { BaselineLine } from './baseline-client.js'

export class BaselineInbox extends BaselineLine {
  threads = []
  #options
  #reads = 0

  constructor(options) {
    super(options)
    this.#options = options
  }

  async open() {
    await this.untilItWorks(() => this.readNewest())
    await this.untilItWorks(() => this.subscribe(`chat-inbox:${this.#options.user}`, ['THREAD', 'MARK'], () => void this.untilItWorks(() => this.readNewest())))
  }

  async readNewest() {
    const read = ++this.#reads
    const { data, error } = await this.client.rpc('list_chat_threads')
    // A later one has been asked.
    if (read !== this.#reads) return
    if (error) throw error
    this.threads = data.threads
  }

  /** The person has seen all of a thread. */
  async read(other) {
    const thread = this.threads.find(({ other_mongo_id }) => other_mongo_id === other)
    if (!thread) return 0
    const { error } = await this.client.rpc('mark_chat', { _marks: [{ thread_id: thread.thread_id, read: thread.last_seq }] })
    if (!error) await this.untilItWorks(() => this.readNewest())
    return thread.last_seq
  }
}
