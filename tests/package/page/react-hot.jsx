// A page that Vite updates while it is open.
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Chat } from './react-hot-chat.jsx'

createRoot(document.body.appendChild(document.createElement('div'))).render(
  <StrictMode>
    <Chat />
  </StrictMode>,
)
