import { ChatSession as Session } from './inbox.js'

export * from './inbox.js'
export { default } from './inbox.js'

/** The same as of `chopped-chat/inbox`, and it remembers what happened to it. */
export class ChatSession extends Session {
  /**
   * What happened on this page since it was opened, as text: a line for each event. Access tokens and the letters of messages
   * are replaced; ids, times and the project's URL are not. Empty before `open()`. Of a long session the newest 8 MiB.
   */
  recording(): string
}
