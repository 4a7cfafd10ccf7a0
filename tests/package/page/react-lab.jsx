// What the tests of the hook steer: chats that come and go, and what React did for them.
import { memo, StrictMode, useState } from 'react'
import { flushSync } from 'react-dom'
import { createRoot } from 'react-dom/client'
import { useChat } from 'chopped-chat/react'
import * as fakes from './fakes.js'

/** A real chat shows a window of a long list; ten thousand elements would take the browser longer than anything here. */
const WINDOW = 50

/** By the name of a chat: what its hook gave last, and how often it rendered. */
const chats = {}
const renders = {}
/** How often each message's bubble rendered, in all chats together. */
const bubbles = new Map()
/** The highest number of a thread that was shown, and whether numbers were ever shown out of order. */
const shown = { highest: 0, disordered: false }
let typeInto
/** How long each chat takes to render, in ms: as on a slow phone. */
const slow = { ms: 0 }

const Bubble = memo(function Bubble({ message }) {
  bubbles.set(message.id, (bubbles.get(message.id) ?? 0) + 1)
  return <li className={message.status}>{message.body}</li>
})

function Chat({ name }) {
  const { token, ...options } = globalThis.chat
  const [text, setText] = useState('')
  const chat = useChat({
    ...options,
    getToken: () => ({ access_token: token, expires_in: 3600 }),
    ensureThread: () => {},
  })
  renders[name] = (renders[name] ?? 0) + 1
  for (const end = performance.now() + slow.ms; performance.now() < end; );
  chats[name] = chat
  typeInto = setText
  const sent = chat.messages.filter(({ seq }) => seq !== null)
  shown.disordered ||= sent.some(({ seq }, n) => n > 0 && seq !== sent[n - 1].seq + 1)
  shown.highest = Math.max(shown.highest, sent.at(-1)?.seq ?? 0)
  return (
    <section data-chat={name} data-status={chat.status}>
      <ol>
        {chat.messages.slice(-WINDOW).map((message) => (
          <Bubble key={message.id} message={message} />
        ))}
      </ol>
      <input value={text} onChange={(event) => setText(event.target.value)} />
    </section>
  )
}

const root = createRoot(document.body.appendChild(Object.assign(document.createElement('div'), { id: 'lab' })))
/** @param {string[]} names of the chats to show; `strict`: in React's StrictMode */
function show(names, strict = false) {
  const all = names.map((name) => <Chat key={name} name={name} />)
  root.render(strict ? <StrictMode>{all}</StrictMode> : all)
}

/** The same, with all effects done when it returns. */
const showNow = (...args) => flushSync(() => show(...args))

Object.assign(globalThis, { lab: { show, showNow, chats, renders, bubbles, shown, slow, type: (text) => typeInto(text), fakes } })
