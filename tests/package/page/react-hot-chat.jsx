import { useChat } from 'chopped-chat/react'

export function Chat() {
  const { token, ...options } = globalThis.chat
  const chat = useChat({
    ...options,
    getToken: () => ({ access_token: token, expires_in: 3600 }),
    ensureThread: () => {},
  })
  return (
    <section className={chat.status}>
      <h1>Chat of two</h1>
      <ol>
        {chat.messages.map((message) => (
          <li key={message.id}>{message.body}</li>
        ))}
      </ol>
    </section>
  )
}
