/**
 * An inbox as `page/page.js` knows a chat: for each line, newest first, the message that it shows, newest last.
 *
 * @param {(string | undefined)[]} bodies @param {boolean} live
 */
export const asChat = (bodies, live) => ({ messages: bodies.toReversed().map((body) => ({ body, status: 'sent' })), live })
