// As a page would use the hook.
import { createElement } from 'react'
import { createRoot } from 'react-dom/client'
import { useChat } from 'chopped-chat/react'

function Chat() {
  const { token, ...options } = window.chat
  const chat = useChat({
    ...options,
    getToken: () => ({ access_token: token, expires_in: 3600 }),
    ensureThread: () => {},
  })
  document.title = chat.status
  return createElement('p', null, chat.status)
}
const root = document.body.appendChild(document.createElement('div'))
createRoot(root).render(createElement(Chat))
